"""Finished calls as they are looked for: by what, and what a list shows of each. Pure."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

from msgspec import Struct

from base.ids import CallId
from pipelines.calls import Call, CallRecord

TEXT_CHARACTERS: Final = (3, 100)
"""Of a text that is looked for, at least and at most: of less there is something in every call."""
MAX_VALUE_BYTES: Final = 256
"""Of a value that is looked for, in UTF-8. Longer ones are kept and listed, but no index holds them."""
_MAX_REVISION: Final = 2**31 - 1


class SearchTooWideError(Exception):
    """Not even the first piece of a search was done in its time: narrow the dates, or come again."""


class CallFilter(Struct, frozen=True, kw_only=True):
    """Which calls are wanted: those to which all that is given applies. Raises ValueError."""

    assistant: str | None = None
    number: str | None = None
    caller: str | None = None
    """Exactly as the record has it, as the three others too."""
    end_reason: str | None = None
    opened_from: datetime | None = None
    """Aware; opened then or later."""
    opened_to: datetime | None = None
    """Aware; opened before."""
    revision: int | None = None
    """The call ran on it, from the beginning or after a change-over."""
    text: str | None = None
    """3 to 100 characters, somewhere in what one of the two said. Capitals do not count (beyond ASCII: as far as the
    locale of the database knows them), and no character stands for others."""

    def __post_init__(self) -> None:
        for name in ("assistant", "number", "caller", "end_reason"):
            if len(_storable(name, getattr(self, name))) > MAX_VALUE_BYTES:
                raise ValueError(f"{name}: more than {MAX_VALUE_BYTES} bytes")
        _storable("text", self.text)
        least, most = TEXT_CHARACTERS
        if self.text is not None and not least <= len(self.text) <= most:
            raise ValueError(f"text: expected {least} to {most} characters")
        if self.revision is not None and not 1 <= self.revision <= _MAX_REVISION:
            raise ValueError(f"revision: expected 1 to {_MAX_REVISION}")
        for name in ("opened_from", "opened_to"):
            _check_moment(name, getattr(self, name))


class CallSummary(Struct, frozen=True, kw_only=True):
    """One call of a list: all but what was said."""

    call: Call
    ended_at: datetime
    duration_s: float
    end_reason: str
    hangup_cause: str
    turns: int
    """How many there are."""
    revisions: tuple[int, ...]
    has_recording: bool
    has_errors: bool
    cost_usd: float | None = None
    """What hosted providers cost, in US dollars; null where it is not known."""


class Cursor(Struct, frozen=True):
    """Where a list goes on: behind this call, whether it is there or not."""

    opened_at: datetime
    call_id: CallId


class Found(Struct, frozen=True):
    """One page of a search."""

    calls: Sequence[CallSummary]
    """Fewer than were asked for, or none, do not say that there are no more: `behind` does."""
    behind: Cursor | None
    """So far it was looked, and there it goes on; None: to the end."""


def duration_s(opened_at: datetime, ended_at: datetime) -> float:
    """Seconds; 0 when the clock was put back meanwhile."""
    return max(0.0, (ended_at - opened_at).total_seconds())


def matches(record: CallRecord, wanted: CallFilter) -> bool:
    """Whether a call is wanted."""
    call = record.call
    equal = (
        (wanted.assistant, call.assistant),
        (wanted.number, call.number),
        (wanted.caller, call.caller),
        (wanted.end_reason, record.end_reason),
    )
    return (
        all(value is None or value == held for value, held in equal)
        and (wanted.revision is None or wanted.revision in (call.revision, *record.revisions))
        and (wanted.opened_from is None or call.opened_at >= wanted.opened_from)
        and (wanted.opened_to is None or call.opened_at < wanted.opened_to)
        and (wanted.text is None or any(wanted.text.lower() in turn.text.lower() for turn in record.turns))
    )


def summary(record: CallRecord) -> CallSummary:
    """What a list shows of a record."""
    return CallSummary(
        call=record.call,
        ended_at=record.ended_at,
        duration_s=duration_s(record.call.opened_at, record.ended_at),
        end_reason=record.end_reason,
        hangup_cause=record.hangup_cause,
        turns=len(record.turns),
        revisions=record.revisions,
        has_recording=record.recording is not None,
        has_errors=bool(record.errors),
        cost_usd=record.cost_usd,
    )


def _storable(name: str, value: str | None) -> bytes:
    """The value in UTF-8. Raises ValueError for what no record can hold."""
    if value is not None and "\x00" in value:
        raise ValueError(f"{name}: no record has a NUL")
    try:
        return (value or "").encode()
    except UnicodeEncodeError:
        # Not chained: it quotes the value.
        raise ValueError(f"{name}: half a character") from None


def _check_moment(name: str, moment: datetime | None) -> None:
    if moment is None:
        return
    if moment.utcoffset() is None:
        raise ValueError(f"{name}: a time zone is missing")
    try:
        moment.astimezone(UTC)
    except OverflowError as error:
        raise ValueError(f"{name}: out of range") from error
