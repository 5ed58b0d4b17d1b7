"""Notes what happens on the wire of one call, as it happens."""

from collections.abc import Callable

from control.peer import measure
from control.peer.media import Media
from control.peer.result import What, WireEvent

QUIET_S = 0.4
"""A voice is over for an onlooker after this much silence."""


class Observer:
    """Turns moments into `WireEvent`s, for the report and for who looks on."""

    def __init__(self, began: float, media: Media, on_event: Callable[[WireEvent], None] | None) -> None:
        self.events: list[WireEvent] = []
        self.connected_at: float | None = None
        self.answered_at: float | None = None
        self._began, self._media, self._on_event = began, media, on_event
        self._assistant_speaks = False
        self._seen_voices = 0
        self._seen_turns = 0
        self._caller_speaks = False

    def note(self, what: What, at: float, detail: str = "", ms: float | None = None) -> None:
        """One thing that happened at a monotonic moment."""
        if what == "connected" and self.connected_at is None:
            self.connected_at = at
        event = WireEvent(
            t_ms=round((at - self._began) * 1000, 2), what=what, detail=detail, ms=None if ms is None else round(ms, 1)
        )
        self.events.append(event)
        if self._on_event is not None:
            self._on_event(event)

    def answered(self, at: float) -> None:
        """200 OK."""
        self.answered_at = at
        self.note("answered", at)

    def since_ring(self, at: float | None) -> float | None:
        """Milliseconds after the first ring."""
        return None if at is None else round((at - self._began) * 1000, 2)

    def since_answer(self, at: float | None) -> float | None:
        """Milliseconds after the answer."""
        return None if at is None or self.answered_at is None else round((at - self.answered_at) * 1000, 2)

    def greeting_at(self) -> float | None:
        """When the assistant's first voice began."""
        voices = self._media.ears.voices
        return voices[0].start if voices else None

    def look(self, now: float) -> None:
        """Compares with what was known 20 ms ago."""
        self._look_at_assistant(now)
        self._look_at_caller(now)

    def _look_at_assistant(self, now: float) -> None:
        ears = self._media.ears
        last = ears.last_heard(now)
        speaks = last is not None and now - last < QUIET_S
        if speaks and not self._assistant_speaks:
            voice = next(voice for voice in reversed(ears.voices) if voice.start <= now)
            self.note("assistant_speaks", voice.start, ms=self._latency_of(voice.start))
        if not speaks and self._assistant_speaks and last is not None:
            self.note("assistant_silent", last, ms=self._stop_time())
        self._assistant_speaks = speaks

    def _look_at_caller(self, now: float) -> None:
        spoken = self._media.caller.spoken
        if len(spoken) > self._seen_turns and spoken[-1].speech_began_at is not None:
            self._seen_turns = len(spoken)
            self._caller_speaks = True
            self.note("caller_speaks", spoken[-1].speech_began_at, spoken[-1].sound.name)
        if self._caller_speaks and spoken[-1].speech_ended_at is not None:
            self._caller_speaks = False
            self.note("caller_silent", spoken[-1].speech_ended_at)

    def _latency_of(self, at: float) -> float | None:
        """Greeting or response time, if the voice that began at `at` was the first one after answer or question."""
        spoken, ears = self._media.caller.spoken, self._media.ears
        if not spoken:
            return self.since_answer(at) if at == self.greeting_at() else None
        ended = spoken[-1].speech_ended_at
        first = ears.next_after(ended) if ended is not None else None
        return (at - ended) * 1000 if ended is not None and first is not None and first.start == at else None

    def _stop_time(self) -> float | None:
        spoken = self._media.caller.spoken
        barge_in = measure.barge_in_s(spoken[-1], self._media.ears) if spoken else None
        return None if barge_in is None else barge_in * 1000
