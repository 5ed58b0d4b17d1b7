"""Drafted documents: what is said of a domain."""

import json

import pytest
from msgspec import structs

from tenants.document import parse_document
from tenants.fusionpbx.draft import NothingToAnswerError, draft
from tenants.fusionpbx.rows import DomainRows, QueueRow, RingGroupRow, SettingRow, VoicemailRow
from tests.tenants.fusionpbx.made import OTHER, domain, extension, inbound, row, secretary


def test_numbers_and_times_are_in_quotes_and_lists_of_them_in_a_line() -> None:
    made = draft(DomainRows(domain=domain(), inbound=(inbound("1190"), inbound("*80#"))), "sorriso")
    assert "    numbers: ['1190', '*80#']\n" in made.text


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
            extensions=(extension("1001", directory_visible="false"),),
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
