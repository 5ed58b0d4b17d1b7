"""A finished call as spans: the call and what happened in it, its turns, and what each answer waited for. Pure.

Nothing that was said, no number, no name and no document is in them: times, counts, and identifiers.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from msgspec import Struct

from pipelines.calls import CallRecord, Turn, Waterfall
from pipelines.timeline import Moment, What

BROKEN: Final = frozenset({"failure", "lost"})
"""Ends of calls that are errors."""
HAPPENED: Final[frozenset[What]] = frozenset(
    {
        "barge_in",
        "held",
        "resumed",
        "operator_says",
        "reaching",
        "reached",
        "not_reached",
        "changed_over",
        "not_changed_over",
        "stage_failed",
        "audio_lost",
        "audio_renewed",
        "given_back",
        "sent_on",
    }
)
"""What of a call's timeline is told with its span: the rest is in the spans themselves."""
_CAUSE: Final = re.compile(r"[A-Z_]{1,64}")
STAGES: Final[tuple[tuple[str, tuple[str | None, ...], str, Mapping[str, str]], ...]] = (
    ("vad", (None,), "vad_stop", {}),
    ("turn_wait", ("vad_stop",), "turn_wait", {}),
    ("stt", (None,), "transcript", {}),
    ("rag", ("turn_end",), "retrieved", {"gen_ai.operation.name": "retrieval"}),
    ("llm", ("retrieved", "turn_end"), "first_sentence", {"gen_ai.operation.name": "chat"}),
    ("tts", ("first_sentence",), "first_tts_audio", {}),
    ("wire", ("first_tts_audio",), "first_audio", {}),
)
"""Of `Waterfall`: a span's name, the first mark there of those from which it runs (None: the caller's last sample), the
mark to which, and what OpenTelemetry's conventions call it."""

Fact = str | int | bool


class Stretch(Struct, frozen=True, kw_only=True):
    """A span. Milliseconds after the call was answered."""

    name: str
    start_ms: float
    end_ms: float
    facts: Mapping[str, Fact] = {}
    parts: Sequence["Stretch"] = ()
    moments: Sequence[Moment] = ()
    """Those, too, in milliseconds after the call was answered."""
    error: str | None = None
    """What kind, if it is one."""


def spans_of(record: CallRecord) -> Stretch:
    """The whole call."""
    call = record.call
    length_ms = max(0.0, (record.ended_at - call.opened_at).total_seconds() * 1000)
    facts: dict[str, Fact] = {
        "gen_ai.operation.name": "invoke_agent",
        "gen_ai.conversation.id": call.id,
        "atende.tenant.id": call.tenant_id,
        "atende.revision": record.revisions[-1] if record.revisions else call.revision,
        "atende.revisions": max(1, len(record.revisions)),
        "atende.end_reason": record.end_reason,
        "atende.turns": len(record.turns),
        "atende.errors": len(record.errors),
    }
    if _CAUSE.fullmatch(record.hangup_cause):
        facts["atende.hangup_cause"] = record.hangup_cause
    return Stretch(
        name="call",
        start_ms=0.0,
        end_ms=max([length_ms, *(turn.at_ms for turn in record.turns)]),
        facts=facts,
        parts=tuple(_turns(record.turns, length_ms)),
        moments=tuple(_moments(record.timeline)),
        error=record.end_reason if record.end_reason in BROKEN else None,
    )


def _moments(timeline: Sequence[Moment]) -> Iterator[Moment]:
    """A timeline begins when the call came to the door, a trace when it was let in."""
    admitted_ms = next((moment.at_ms for moment in timeline if moment.what == "admitted"), 0)
    for moment in timeline:
        if moment.what in HAPPENED:
            yield Moment(at_ms=max(0, moment.at_ms - admitted_ms), what=moment.what, detail=moment.detail)


def _turns(turns: Sequence[Turn], length_ms: float) -> Iterator[Stretch]:
    """Each from where the caller began to where the answer is heard; one that is not answered, to what comes next."""
    number = 0
    for place, turn in enumerate(turns):
        if turn.role != "caller":
            continue
        number += 1
        after = turns[place + 1] if place + 1 < len(turns) else None
        answer = _answer(turns[place + 1 :])
        until = answer or after
        facts: dict[str, Fact] = {
            "atende.turn.number": number,
            "atende.turn.written": turn.written,
            "atende.turn.answered": answer is not None,
        }
        if answer is not None:
            facts["atende.turn.interrupted"] = answer.interrupted
        yield Stretch(
            name="turn",
            start_ms=turn.at_ms,
            end_ms=max(turn.at_ms, length_ms if until is None else until.at_ms),
            facts=facts,
            parts=() if answer is None or answer.waterfall is None else tuple(_stages(answer, answer.waterfall)),
        )


def _answer(after: Sequence[Turn]) -> Turn | None:
    """Of what comes after a caller's turn: an aside that is said before the answer has no waterfall."""
    until = next((place for place, turn in enumerate(after) if turn.role == "caller"), len(after))
    said = after[:until]
    return next((turn for turn in said if turn.waterfall is not None), said[0] if said else None)


def _stages(answer: Turn, waterfall: Waterfall) -> Iterator[Stretch]:
    """The words of an answer are counted from where the first of them is heard, hence the caller's last sample."""
    if waterfall.first_audio is None:
        return
    zero = answer.at_ms - waterfall.first_audio
    for name, begins, mark, facts in STAGES:
        end = getattr(waterfall, mark)
        start = next((at for begin in begins if (at := _mark(waterfall, begin)) is not None), None)
        if start is not None and end is not None:
            yield Stretch(name=name, start_ms=zero + start, end_ms=zero + max(start, end), facts=facts)


def _mark(waterfall: Waterfall, name: str | None) -> float | None:
    at: float | None = 0.0 if name is None else getattr(waterfall, name)
    return at
