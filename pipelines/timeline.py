"""What happened in a call, and when: an account of steps without a word that was said. Pure."""

from collections.abc import Callable
from typing import Final, Literal

from msgspec import Struct

MAX_MOMENTS: Final = 500
"""A call of 20 turns has some 200. Of a longer one the beginning is kept, and the end."""

MAX_CAUSE_CHARS: Final = 40

What = Literal[
    "rang",
    "admitted",
    "answered",
    "media_started",
    "caller_speaks",
    "caller_silent",
    "transcript",
    "wrote",
    "turn",
    "assistant_speaks",
    "assistant_done",
    "held",
    "resumed",
    "barge_in",
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
    "hung_up",
    "shortened",
    "ended",
]

BY: Final = {
    "caller_hangup": "caller",
    "hangup": "switch",
    "goodbye": "assistant",
    "operator": "assistant",
    "transferred": "assistant",
    "silence": "assistant",
    "max_duration": "assistant",
    "max_turns": "assistant",
    "ended_by_operator": "operator",
}
"""Who ended a call, by its `end_reason`; all other ends are the service's own."""


class Moment(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One step of a call."""

    at_ms: int
    """Milliseconds after the call came to the door."""
    what: What
    """`rang` (it came to the door), `admitted` (it may be answered), `answered`, `media_started` (the audio flows, by
    the wire in `detail`); `caller_speaks` and `caller_silent` (as the detector decides), `transcript`, `wrote`, `turn`
    (the caller's turn is over and the mind has it); `assistant_speaks` (`detail`: `answer`, `filler`, `operator`, or
    which fixed text), `assistant_done`, `held` (a voice over the assistant's made it silent), `resumed` (that was
    nothing), `barge_in` (the assistant was broken off); `operator_says`; `reaching` (a person is called), `reached`,
    `not_reached` (`detail`: the cause); `changed_over` (`detail`: to which revision), `not_changed_over` (`detail`: on
    which it stays); `stage_failed` (`detail`: which kind of stage); `audio_lost`, `audio_renewed`; `given_back` (to the
    dialplan, at the door in `detail`), `sent_on` (to another number), `hung_up` (by us); `shortened` (what happened
    between is left out); `ended` (`detail`: by whom, and the record's `end_reason`)."""
    detail: str = ""


class Timeline:
    """One call's. `now` is a monotonic clock in seconds; the first moment is when this was made."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._began = now()
        self._moments: list[Moment] = []
        self._over = False
        self.note("rang")

    @property
    def moments(self) -> tuple[Moment, ...]:
        """In the order in which they happened."""
        return tuple(self._moments)

    def note(self, what: What, detail: str = "") -> None:
        """It happens now. `detail` is a word of ours, never one of the caller's; nothing follows the end."""
        if self._over or len(self._moments) >= MAX_MOMENTS - 1:
            return
        if len(self._moments) == MAX_MOMENTS - 2:
            what, detail = "shortened", ""
        self._add(what, detail)

    def ended(self, reason: str) -> None:
        """The call is over; the first time counts."""
        if not self._over:
            self._over = True
            self._add("ended", f"{BY.get(reason, 'service')}: {reason}")

    def _add(self, what: What, detail: str) -> None:
        self._moments.append(Moment(at_ms=round((self._now() - self._began) * 1000), what=what, detail=detail))


def cause_word(cause: str) -> str:
    """A hang-up cause as a detail: FreeSWITCH's word for it, and nothing that is none."""
    return cause if cause.replace("_", "").isalpha() and cause.isascii() and len(cause) <= MAX_CAUSE_CHARS else ""


class Voices:
    """Notes what the assistant is heard saying; a pause between two sentences of an answer is no end of it."""

    def __init__(self, timeline: Timeline) -> None:
        self._timeline = timeline
        self._text = ""
        self._heard = ""
        self._held = False

    def texts(self, name: str) -> None:
        """What is said next that is no answer."""
        self._text = name

    def heard(self, voice: Literal["answer", "filler", "text"]) -> None:
        """It is being heard."""
        what = self._text or "text" if voice == "text" else voice
        if what != self._heard:
            self._heard = what
            self._timeline.note("assistant_speaks", what)

    def done(self) -> None:
        """It was said to its end."""
        if self._heard:
            self._heard = ""
            self._timeline.note("assistant_done")

    def broken_off(self) -> None:
        """Whatever was being said is said no more."""
        if self._heard:
            self._heard = ""
            self._timeline.note("barge_in")
        self._held = False

    def held(self) -> None:
        """A voice over it; it is silent for now."""
        if not self._held:
            self._held = True
            self._timeline.note("held")

    def resumed(self) -> None:
        """The voice was nothing."""
        if self._held:
            self._held = False
            self._timeline.note("resumed")
