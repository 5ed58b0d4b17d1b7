"""What is asked of FusionPBX's database, and what its operator is told to grant."""

import re
from pathlib import Path

import pytest

from tenants.fusionpbx.reading import PbxError, grant, readable, select
from tenants.fusionpbx.rows import DOMAINS, OF_DOMAINS, TABLES, Table

DOCS = (Path(__file__).parents[3] / "docs" / "fusionpbx-import.md").read_text(encoding="utf-8")
WORDS = ("password", "pin", "secret", "key", "salt", "base64")


def test_no_secret_is_ever_asked_for() -> None:
    asked = {column for table in TABLES for column in table.columns}
    named = {column for column in asked if any(word in column for word in WORDS)}
    assert named == {"secretary_name", "voice_secretary_uuid"}


def test_the_grants_of_the_guide_are_those_that_are_needed() -> None:
    wanted = [
        grant(table.name, [column for column in table.columns if column != "is_enabled"], "atende_reader")
        for table in TABLES
    ]
    assert re.findall(r"^GRANT .*$", DOCS, re.MULTILINE) == wanted


@pytest.mark.parametrize("table", OF_DOMAINS, ids=lambda table: table.name)
def test_every_query_says_whose_rows_it_wants_and_reads_named_columns(table: Table) -> None:
    statement = select(table, table.columns)
    assert f"FROM {table.name} WHERE domain_uuid = ANY($1::uuid[]) AND " in statement
    assert statement.count("FROM v_") == statement.count("ANY($1::uuid[])")
    assert "*" not in statement


def test_columns_that_narrow_a_table_are_granted_too() -> None:
    of = {table.name: set(table.columns) for table in TABLES}
    for table in OF_DOMAINS:
        named = set(re.findall(r"\b[a-z]+(?:_[a-z]+)+\b", f"{table.only} {table.order}")) - {"time_zone"}
        tables = {table.name, *(named & set(of))}
        assert named - tables <= set().union(*(of[name] for name in tables)), table.name


@pytest.mark.parametrize(("flags", "notes"), [({"enabled"}, 0), ({"is_enabled"}, 0), (set(), 1)])
def test_the_flag_of_the_former_assistants_has_one_of_two_names(flags: set[str], notes: int) -> None:
    lacking = {"enabled", "is_enabled"} - flags
    found = [
        (table.name, column, True)
        for table in TABLES
        for column in table.columns
        if table.name != "v_voice_secretaries" or column not in lacking
    ]
    told = readable(found, "a")
    assert len(told.notes) == notes
    assert flags <= set(told.columns["v_voice_secretaries"])


def test_all_rights_that_are_lacking_are_told_at_once() -> None:
    found = [(table.name, column, table is DOMAINS) for table in TABLES for column in table.columns]
    with pytest.raises(PbxError) as told:
        readable(found, '"a b"')
    assert str(told.value).count('TO "a b";') == len(OF_DOMAINS)
    assert "ON v_domains " not in str(told.value)
