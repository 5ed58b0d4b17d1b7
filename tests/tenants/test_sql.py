"""Files of queries: named blocks, and nothing that is lost in silence."""

import pytest

from tenants.sql import SqlFileError, parse_blocks, queries


def test_blocks_have_names() -> None:
    text = "-- About these.\n\n-- one --\nSELECT 1;\n\n-- two --  \nSELECT '-- no --',\n  2; -- a comment\n"
    assert parse_blocks(text) == {"one": "SELECT 1", "two": "SELECT '-- no --',\n  2; -- a comment"}


@pytest.mark.parametrize(
    "text",
    ["SELECT 1;\n-- one --\nSELECT 1", "-- one --\n\n-- two --\nSELECT 2", "-- a --\nSELECT 1\n-- a --\nSELECT 2"],
)
def test_sql_without_a_name_and_names_without_sql_are_refused(text: str) -> None:
    with pytest.raises(SqlFileError):
        parse_blocks(text)


@pytest.mark.parametrize(
    "name", ["revisions", "conversations", "call_search", "api_keys", "audit", "changes", "migrations"]
)
def test_every_query_of_a_tenant_says_whose(name: str) -> None:
    """But those of the platform's, and one that asks a function of the schema, which says it for each tenant."""
    for block, statement in queries(name).items():
        if name != "migrations" and block not in {"chains", "since", "taken"} and not statement.startswith("INSERT"):
            whose = ("tenant_id = $1", "id = $1", "tenant_id IS NOT DISTINCT FROM $1", "coalesce($1::uuid")
            assert any(condition in statement for condition in whose), block


def test_each_table_that_a_search_reads_is_read_for_the_tenant() -> None:
    for block, statement in queries("call_search").items():
        assert statement.count("FROM atende.") == statement.count("tenant_id = $1"), block
