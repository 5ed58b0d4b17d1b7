"""A finished call as a line of a file: JSON for programs, CSV for spreadsheets. Pure; both are UTF-8."""

import csv
import io
import re
from datetime import UTC, datetime
from typing import Final

import msgspec
from msgspec import structs

from pipelines.calls import CallRecord
from tenants.call_search import duration_s

CSV_COLUMNS: Final = (
    "id",
    "opened_at",
    "ended_at",
    "duration_s",
    "assistant",
    "number",
    "caller",
    "end_reason",
    "hangup_cause",
    "turns",
    "cost_usd",
)
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\n")
_TELEPHONE: Final = re.compile(r"\+[0-9]+")


def ndjson(record: CallRecord) -> bytes:
    """The whole record as one line, its times in UTC."""
    call = structs.replace(record.call, opened_at=record.call.opened_at.astimezone(UTC))
    return msgspec.json.encode(structs.replace(record, call=call, ended_at=record.ended_at.astimezone(UTC))) + b"\n"


def csv_header() -> bytes:
    """The names of the columns, as the first line."""
    return _line(CSV_COLUMNS)


def csv_row(record: CallRecord) -> bytes:
    """One call as one row (RFC 4180): nothing that was said, times in UTC, seconds.

    What a spreadsheet would take for a formula begins with an apostrophe, unless it is `+` and digits.
    """
    call = record.call
    return _line(
        (
            call.id,
            _utc(call.opened_at),
            _utc(record.ended_at),
            f"{duration_s(call.opened_at, record.ended_at):.3f}",
            call.assistant,
            call.number,
            call.caller,
            record.end_reason,
            record.hangup_cause,
            str(len(record.turns)),
            "" if record.cost_usd is None else f"{record.cost_usd:.6f}",
        )
    )


def _utc(moment: datetime) -> str:
    """As `ndjson` writes it."""
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _line(cells: tuple[str, ...]) -> bytes:
    out = io.StringIO()
    csv.writer(out).writerow([_defused(cell) for cell in cells])
    return out.getvalue().encode()


def _defused(cell: str) -> str:
    """A caller names himself, and may name himself `=HYPERLINK(…)`."""
    return f"'{cell}" if cell.startswith(_FORMULA) and not _TELEPHONE.fullmatch(cell) else cell
