"""Calls as lines of a file: whole for programs, harmless for spreadsheets."""

import csv
import io
import json
from datetime import timedelta, timezone

import msgspec
import pytest

from pipelines.calls import CallRecord
from tenants.exporting import CSV_COLUMNS, csv_header, csv_row, ndjson
from tests.tenants.records import NOON, record, saying, someone

THERE = timezone(timedelta(hours=-3))


def cells(raw: bytes) -> list[str]:
    (row,) = csv.reader(io.StringIO(raw.decode(), newline=""), strict=True)
    return row


def cell(name: str, call: CallRecord) -> str:
    return cells(csv_row(call))[CSV_COLUMNS.index(name)]


def test_a_line_of_json_is_the_record_in_utc() -> None:
    call = record(someone(), turns=saying("uma linha\noutra\r\n"), opened_at=NOON.astimezone(THERE))
    line = ndjson(call)
    assert line.endswith(b"}\n")
    assert line.count(b"\n") == 1
    assert msgspec.json.decode(line, type=CallRecord) == call
    told = json.loads(line)
    assert told["call"]["opened_at"] == "2026-03-01T12:00:00.123456Z"
    assert told["ended_at"] == "2026-03-01T12:01:00.123456Z"


def test_a_row_has_the_facts_and_nothing_that_was_said() -> None:
    call = record(someone(), opened_at=NOON.astimezone(THERE), number="1000", turns=saying("segredo"))
    assert csv_header() == (
        b"id,opened_at,ended_at,duration_s,assistant,number,caller,end_reason,hangup_cause,turns,cost_usd\r\n"
    )
    assert csv_row(call) == (
        b"c1,2026-03-01T12:00:00.123456Z,2026-03-01T12:01:00.123456Z,60.000,sofia,1000,+5511988887777,"
        b"goodbye,NORMAL_CLEARING,1,0.250000\r\n"
    )
    assert cell("cost_usd", record(someone(), cost_usd=None)) == "", "of which nobody knows it"
    assert b"segredo" not in csv_row(call)


@pytest.mark.parametrize("odd", ['a "quoted" name', "one, two", "two\r\nlines", "ação", "'", " =1"])
def test_a_cell_comes_back_as_it_was(odd: str) -> None:
    assert cell("caller", record(someone(), caller=odd)) == odd


@pytest.mark.parametrize(
    "formula",
    [
        "=1+1",
        '=HYPERLINK("http://x.example","y")',
        "+1+1",
        "+55 11",
        "+",
        "+１",
        "-5",
        "@SUM(1)",
        "\t=1",
        "\r=1",
        "\n=1",
        "+55\n",
    ],
)
@pytest.mark.parametrize("name", ["caller", "number", "assistant", "end_reason", "hangup_cause"])
def test_what_a_spreadsheet_would_compute_is_text(name: str, formula: str) -> None:
    assert cell(name, record(someone(), **{name: formula})) == "'" + formula


def test_a_telephone_number_stays_one() -> None:
    assert cell("caller", record(someone(), caller="+5511988887777")) == "+5511988887777"
