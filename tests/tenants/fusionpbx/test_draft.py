"""Drafted documents: what is said of a domain, and that nothing typed into a PBX is ever more than a value."""

import json
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from processors.catalog import AnyFactory
from tenants.document import parse_document
from tenants.fusionpbx import facts
from tenants.fusionpbx.draft import NothingToAnswerError, draft
from tenants.fusionpbx.rows import (
    DetailRow,
    DomainRow,
    DomainRows,
    ExtensionRow,
    InboundRow,
    QueueRow,
    RingGroupRow,
    Row,
    SecretaryRow,
    SettingRow,
    TimeConditionRow,
    VoicemailRow,
)
from tenants.fusionpbx.yaml_text import yaml_text
from tests.tenants.conftest import stages

__all__ = ["stages"]

ID = "6f1d2c0a-4b7e-4f7b-9a53-1c9e5d7a2b10"
OTHER = "0b9c7a52-1f3e-4c55-8d4a-2a6f0e9d7c31"


def row(kind: type[Any], **values: str) -> Any:
    """With '' in every column that is needed and not given."""
    return kind(**{field.name: "" for field in structs.fields(kind) if field.required} | {"domain_uuid": ID} | values)


def domain(**values: str) -> DomainRow:
    made: DomainRow = row(DomainRow, **{"domain_name": "sorriso.example.net"} | values)
    return made


def inbound(number: str, **values: str) -> InboundRow:
    given = {"destination_type": "inbound", "destination_number": number, "destination_enabled": "true"}
    made: InboundRow = row(InboundRow, **given | values)
    return made


def secretary(name: str, extension: str, **values: str) -> SecretaryRow:
    given = {"voice_secretary_uuid": OTHER, "secretary_name": name, "extension": extension, "enabled": "true"}
    made: SecretaryRow = row(SecretaryRow, **given | values)
    return made


def extension(number: str, **values: str) -> ExtensionRow:
    made: ExtensionRow = row(ExtensionRow, **{"extension": number, "enabled": "true"} | values)
    return made


ODD = st.one_of(
    st.text(max_size=60),
    st.sampled_from(
        [
            "", "null", "~", "yes", "0123", "1e5", "18446744073709551616", "-9223372036854775808", "12:30", "=", "<<",
            "a: b", "- x", "# no", "x #y", "'", '"', '"\n', "a\n---\nb", "...", "&a *a",
            "--- !!python/object:os.system",
            "!tag", "{a: b}", "[1", "%YAML 1.1", "|\n x", ">-", "\u2028id: x", "\x85slug: y", "\ufeff", "é\u0301",
            "\U0001f600", "\r\nenabled: false\r\n", "  lead", "trail  \n  x", "a\n\n\n b\n", "\t", "\n\n\tx",
            "{question}",
            "x" * 300, "${HOME}", "José 'Zé' D\"Ávila", "\x00\x1b[31mred", "?", ": ", "-", "a\\nb", "\\",
        ]
    ),
)  # fmt: skip
NUMBERS = st.one_of(
    ODD, st.from_regex(r"\+?[0-9*#]{1,34}", fullmatch=True), st.from_regex(r"[0-9]{3,4}", fullmatch=True)
)
FLAGS = st.sampled_from(["true", "t", "TRUE", "1"])


def rows(kind: type[Row], most: int, numbers: tuple[str, ...], flags: tuple[str, ...]) -> st.SearchStrategy[Any]:
    """Rows of a table whose every other column may hold anything."""
    columns: dict[str, st.SearchStrategy[str]] = {field.name: ODD for field in structs.fields(kind)}
    columns |= dict.fromkeys(numbers, NUMBERS) | dict.fromkeys(flags, FLAGS) | {"domain_uuid": st.just(ID)}
    return st.lists(st.builds(kind, **columns), max_size=most).map(tuple)


DOMAINS = st.builds(
    DomainRows,
    domain=st.builds(domain, domain_description=ODD, domain_enabled=ODD),
    settings=rows(SettingRow, 2, (), ("domain_setting_enabled",)),
    inbound=rows(InboundRow, 2, ("destination_number",), ("destination_enabled",)).map(
        lambda found: (inbound("551133334444"), *(structs.replace(one, destination_type="inbound") for one in found))
    ),
    extensions=rows(ExtensionRow, 4, ("extension",), ("enabled", "directory_visible")),
    ring_groups=rows(RingGroupRow, 3, ("ring_group_extension",), ("ring_group_enabled",)),
    queues=rows(QueueRow, 2, ("queue_extension",), ()),
    voicemails=rows(VoicemailRow, 2, ("voicemail_id",), ("voicemail_enabled",)),
    secretaries=rows(SecretaryRow, 3, ("extension", "transfer_extension"), ("enabled",)),
    time_conditions=rows(TimeConditionRow, 2, ("dialplan_number",), ("dialplan_enabled",)).map(
        lambda found: tuple(structs.replace(one, dialplan_uuid="a") for one in found)
    ),
    details=st.lists(
        st.builds(
            DetailRow,
            domain_uuid=st.just(ID),
            dialplan_uuid=st.just("a"),
            dialplan_detail_tag=st.sampled_from(["condition"] * 3 + ["action", "x"]),
            dialplan_detail_type=st.sampled_from(["wday", "minute-of-day", "hour", "year", "mon", "mday", "date-time"]),
            dialplan_detail_data=st.one_of(ODD, st.from_regex(r"[0-9]{1,2}(-[0-9]{1,4})?", fullmatch=True)),
            dialplan_detail_group=st.sampled_from(["0", "100", "500", "501", "999", "x"]),
        ),
        max_size=6,
    ).map(tuple),
)


@settings(max_examples=300, deadline=None)
@given(found=DOMAINS)
def test_whatever_was_typed_is_a_value_of_a_document_that_can_be_published(
    stages: Mapping[str, AnyFactory], found: DomainRows
) -> None:
    made = draft(found, "sorriso")
    spec = parse_document(made.text.encode(), "draft", stages).spec
    assert spec == made.spec, "it reads as it was meant, field by field"
    assert draft(found, "sorriso").text == made.text
    comments = [line for line in made.text.splitlines() if line.startswith("#")]
    assert len(comments) == len(made.notes) + 1


@given(text=ODD)
def test_a_comment_is_one_line(text: str) -> None:
    spec = draft(DomainRows(domain=domain(), inbound=(inbound("4444"),)), "sorriso").spec
    made = yaml_text(spec, {"slug": [text]})
    assert parse_document(made.encode(), "x").spec == spec
    assert made.splitlines()[1].startswith("# ".rstrip())
    assert made.splitlines()[2] == "slug: sorriso"


def test_a_domain_without_an_assistant_gets_one_for_its_inbound_numbers() -> None:
    to_queue = json.dumps([{"destination_app": "transfer", "destination_data": "5000 XML sorriso.example.net"}])
    made = draft(
        DomainRows(
            domain=domain(domain_description="Clínica Sorriso"),
            inbound=(
                inbound("+55 (11) 3333-4444", destination_actions=to_queue),
                inbound("33335555", destination_area_code="11", destination_app="transfer", destination_data="1001"),
                inbound("1133336666", destination_type_fax="1"),
                inbound("1133337777", destination_enabled="false"),
                inbound("sip:ana@example.net"),
                structs.replace(inbound("1133338888"), destination_type="outbound"),
            ),
        ),
        "sorriso",
    )
    [reception] = made.spec.assistants
    assert (made.spec.name, reception.name) == ("Clínica Sorriso", "recepcao")
    assert reception.numbers == ("+551133334444", "1133335555")
    assert made.notes == (
        "inbound number 1133336666 is not taken over: it is for fax alone",
        "inbound number 'sip:ana@example.net' is not taken over: it is no number a document may have",
        "inbound number +551133334444 goes to 5000 in the PBX",
        "inbound number 1133335555 goes to 1001 in the PBX",
    )
    assert (made.spec.language, made.spec.time_zone, made.spec.enabled) == ("pt-BR", "America/Sao_Paulo", True)


def test_language_and_time_zone_are_the_domains_where_they_are_known() -> None:
    def said(language: str, zone: str, enabled: str = "true") -> tuple[str, str, str]:
        known = tuple(
            row(
                SettingRow,
                domain_setting_subcategory=name,
                domain_setting_value=value,
                domain_setting_enabled=enabled,
            )
            for name, value in (("language", language), ("time_zone", zone))
        )
        spec = draft(DomainRows(domain=domain(), settings=known, inbound=(inbound("1"),)), "a").spec
        return spec.language, spec.time_zone, spec.assistants[0].name

    assert said("en-us", "America/New_York") == ("en-US", "America/New_York", "reception")
    assert said("es-cl", "America/Santiago") == ("es-CL", "America/Santiago", "recepcion")
    assert said("en-us", "America/New_York", "false") == ("pt-BR", "America/Sao_Paulo", "recepcao")
    assert said("fr-fr", "../../etc/passwd") == ("pt-BR", "America/Sao_Paulo", "recepcao")


def test_former_assistants_keep_their_id_words_number_and_transfer() -> None:
    sofia = secretary(
        "Sofia", "8000",
        company_name="Clínica Sorriso", personality_prompt="Você é a Sofia.\n\nFale com calma.",
        greeting_message="Olá!", farewell_message="Até logo!", fallback_message="Como?", transfer_message="Um momento.",
        language="pt-BR", max_turns="12", transfer_extension="1001",
        business_info='{"Endereço": "Rua A, 10", "vagas": 4, "lista": [1], "vazio": null}',
    )  # fmt: skip
    grace = secretary("Grace", "8001", language="en-us", transfer_extension="5000", enabled="", is_enabled="t")
    others = (
        secretary("Desligada", "8002", enabled="false"),
        secretary("Muda", ""),
        secretary("Dupla", "8000"),
        secretary("Anel", "8003", transfer_extension="8003", language="fr"),
    )
    made = draft(
        DomainRows(
            domain=domain(),
            secretaries=(sofia, grace, *others),
            extensions=(extension("1001"),),
            inbound=(inbound("1133334444", destination_app="transfer", destination_data="8000 XML d"), inbound("1190")),
        ),
        "sorriso",
    )
    first, second, ring = made.spec.assistants
    assert made.spec.name == "Clínica Sorriso"
    assert (first.name, first.id, first.numbers, first.language) == ("sofia", OTHER, ("8000",), None)
    assert first.instructions == "Você é a Sofia.\n\nFale com calma."
    told = (first.texts.greeting, first.texts.farewell, first.texts.not_understood, first.texts.operator)
    assert told == ("Olá!", "Até logo!", "Como?", "Um momento.")
    assert first.business_info == {"Endereço": "Rua A, 10", "vagas": "4"}
    assert first.limits.max_turns == 12
    assert first.transfer is not None
    assert (first.transfer.to, first.transfer.mode) == ("1001", "ring")
    assert second.transfer is not None
    assert (second.language, second.transfer.to, second.transfer.mode) == ("en-US", "5000", "blind")
    assert (ring.name, ring.transfer, ring.language) == ("anel", None, None)
    assert made.notes == (
        "assistant 'Sofia': business_info 'lista' is not taken over: too long, too many, or no text",
        "assistant 'Desligada' is not taken over: it is disabled in the PBX",
        "assistant 'Muda' is not taken over: it has no extension that is a number",
        "assistant 'Dupla' is not taken over: 8000 is answered by another one",
        "assistant 'Anel': there are no texts for the language 'fr'",
        "assistant 'Anel': its transfer to '8003' leads nowhere else",
        "inbound number 1133334444 goes to 8000 in the PBX: an assistant",
        "inbound number 1190 goes to nothing we know in the PBX: none of the assistants",
    )
    assert "    instructions: |-\n      Você é a Sofia.\n\n      Fale com calma.\n" in made.text


def test_what_rings_becomes_destinations_and_who_hides_stays_hidden() -> None:
    found = DomainRows(
        domain=domain(),
        inbound=(inbound("1"),),
        extensions=(
            extension("1001", directory_first_name="Ana", directory_last_name="Souza", call_timeout="25.0",
                      call_group="vendas,todos"),
            extension("1002", effective_caller_id_name="Ana Souza", call_timeout="900", number_alias="2002"),
            extension("1003"),
            extension("1004", directory_first_name="Diretor", directory_visible="false"),
            extension("1005", enabled=""),
            extension("sala-1"),
        ),
        ring_groups=(
            row(RingGroupRow, ring_group_name="Recepção", ring_group_extension="600", ring_group_call_timeout="20",
                ring_group_enabled="t"),
            row(RingGroupRow, ring_group_name="Antigo", ring_group_extension="601", ring_group_enabled="f"),
        ),
        queues=(row(QueueRow, queue_name="Suporte", queue_extension="5001"),),
        voicemails=(
            row(VoicemailRow, voicemail_id="1001", voicemail_enabled="true"),
            row(VoicemailRow, voicemail_id="2002", voicemail_enabled="true"),
            row(VoicemailRow, voicemail_id="1003", voicemail_enabled="false"),
            row(VoicemailRow, voicemail_id="900", voicemail_enabled="true"),
        ),
    )  # fmt: skip
    made = draft(found, "sorriso")
    told = {one.name: (one.number, one.type, one.ring_s, one.fallback.do) for one in made.spec.destinations}
    assert told == {
        "ana-souza-1001": ("1001", "extension", 25, "voicemail"),
        "ana-souza-1002": ("1002", "extension", 30, "voicemail"),
        "extension-1003": ("1003", "extension", 30, "return"),
        "recepcao": ("600", "ring_group", 20, "return"),
        "suporte": ("5001", "queue", 30, "return"),
        "voicemail-900": ("900", "voicemail", 30, "return"),
    }
    ana = made.spec.destinations[0]
    assert (ana.aliases, ana.department, ana.default) == (("Ana Souza",), "vendas", False)
    assert made.notes[-1] == "extension '' (sala-1) is not taken over: that is no number a document may have"


def test_whom_every_assistant_transfers_to_is_the_default_destination() -> None:
    def default(*to: str) -> list[str]:
        people = tuple(secretary(f"a{n}", f"80{n}", transfer_extension=number) for n, number in enumerate(to))
        found = DomainRows(domain=domain(), secretaries=people, extensions=(extension("1001"), extension("1002")))
        return [one.number for one in draft(found, "a").spec.destinations if one.default]

    assert default("1001", "1001", "") == ["1001"]
    assert default("1001", "1002") == []
    assert default("0800") == []


def test_a_domain_with_nothing_to_answer_gets_no_document() -> None:
    with pytest.raises(NothingToAnswerError, match="no inbound number"):
        draft(DomainRows(domain=domain(), extensions=(extension("1001"),)), "sorriso")


def test_a_domain_that_the_pbx_does_not_serve_is_not_served() -> None:
    for written, enabled in {"true": True, "t": True, "false": False, "f": False, "": False}.items():
        rows = DomainRows(domain=domain(domain_enabled=written), inbound=(inbound("1"),))
        assert draft(rows, "a").spec.enabled is enabled


def test_there_is_a_bound_to_everything_that_a_document_counts() -> None:
    found = DomainRows(
        domain=domain(),
        secretaries=tuple(secretary("Ana", str(8000 + n)) for n in range(101)),
        extensions=tuple(extension(str(1000 + n)) for n in range(501)),
    )
    made = draft(found, "a")
    assert (len(made.spec.assistants), len(made.spec.destinations)) == (100, 500)
    assert made.notes == (
        "assistant 'Ana' is not taken over: a document has 100 at most",
        "501 destinations; the first 500 are taken over, the most there may be",
    )
    assert made.spec.assistants[99].name == "ana-100"
    assert parse_document(made.text.encode(), "x").spec == made.spec


@pytest.mark.parametrize("written", ["true", "t", "1", " True "])
def test_what_is_true_in_either_dialect(written: str) -> None:
    assert facts.truth(written)


@pytest.mark.parametrize("written", ["false", "f", "0", "x"])
def test_what_is_false_in_either_dialect(written: str) -> None:
    assert not facts.truth(written)
    assert not facts.truth(written, empty=True)


def test_what_is_empty_means_what_its_column_says() -> None:
    assert facts.truth("", empty=True)
    assert facts.truth(" ", empty=True)
    assert not facts.truth("")


def test_text_is_cleaned_of_what_no_document_may_hold() -> None:
    assert facts.cleaned(None) == ""
    assert facts.cleaned(" \ufeffa\x00b\x1b\r\nc\t \rd\u2028e \n") == "a b\nc\nd e"
    assert facts.line("a\nb\u2029 c", 4) == "a b"
    assert [facts.slug(one, "x") for one in ("São José", "10", "", "日本", "-a-")] == [
        "sao-jose",
        "x-10",
        "x",
        "x",
        "a",
    ]
