"""Nothing that was typed into a PBX is ever more than a value of a document."""

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from processors.catalog import AnyFactory
from tenants.document import parse_document
from tenants.fusionpbx.draft import draft
from tenants.fusionpbx.rows import (
    DetailRow,
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
from tests.tenants.fusionpbx.made import ID, domain, inbound

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


@pytest.mark.no_cover
@settings(max_examples=150, deadline=None)
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
