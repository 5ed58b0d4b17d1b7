"""The caller as a pure machine: every 20 ms it is told what it has heard so far and gives its next frame."""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from msgspec import structs

from control.peer.clock import FRAME_S
from control.peer.ears import JOIN_S, Ears
from control.peer.script import Decide, Dtmf, HangUp, Hears, Interrupt, Say, Script, Step, Wait, WaitFor, Write
from control.peer.sound import G711, Samples, Sound, load_sound, through_g711

DTMF_FRAMES = 11
DTMF_TOLD_FRAME = 10
DTMF_EVERY_S = 0.350


@dataclass
class Spoken:
    """One sound said; monotonic seconds at which its datagrams left."""

    sound: Sound
    began_at: float
    speech_began_at: float | None = None
    speech_ended_at: float | None = None


@dataclass
class Frame:
    """What the caller does in one tick."""

    samples: Samples | None = None
    """20 ms of voice; None: silence."""
    pressing: bool = False
    """A key is down: RFC 2833 packets take the voice's place."""
    digit: str = ""
    """A key is told of in this frame."""
    texts: tuple[str, ...] = ()
    """Written in this frame."""
    hang_up: bool = False


@dataclass
class Caller:
    """Plays a script against what it hears. Knows no socket and no clock: time comes in by `tick`."""

    script: Script
    ears: Ears
    spoken: list[Spoken] = field(default_factory=list)
    finished: bool = False

    def __post_init__(self) -> None:
        self._rate = self.script.codec.sample_rate
        self._steps: deque[Step] = deque(_prepared(self.script.steps, self.script))
        self._step: Step | None = None
        self._since = 0.0
        self._listening_since = 0.0
        self._sound: Sound | None = None
        self._position = 0
        self._digits: deque[str] = deque()
        self._digit_at = 0.0
        self._digit_frames = 0
        self._texts: list[str] = []

    def begin(self, now: float) -> None:
        """The call was answered."""
        self._since = self._listening_since = now
        self._next(now)

    def call_ended(self) -> None:
        """The other side hung up: that may be what the last step waited for."""
        waited = isinstance(self._step, WaitFor) and self._step.what is Hears.HANG_UP
        rest = [step for step in self._steps if not isinstance(step, HangUp)]
        self.finished = self.finished or (waited and not rest)

    def tick(self, now: float) -> Frame:
        """The next 20 ms; what the caller has heard up to `now` is known to its ears."""
        self._advance(now)
        frame = self._frame(now)
        frame.texts, self._texts = tuple(self._texts), []
        return frame

    def _frame(self, now: float) -> Frame:
        if self._sound is not None:
            return self._speak(now)
        if self._digits:
            return self._press(now)
        self.finished = self.finished or self._step is None
        return Frame(hang_up=self._step is None)

    def _advance(self, now: float) -> None:
        """Goes on to the step that lasts beyond `now`."""
        while self._sound is None and not self._digits:
            step = self._step
            if step is None or not self._is_over(step, now):
                return
            if isinstance(step, Interrupt):
                self._start(step.say, now)
                return
            if isinstance(step, HangUp):
                self._steps.clear()
            if isinstance(step, WaitFor) and step.what is Hears.SPEECH_END:
                self._listening_since = now
            self._next(now)

    def _next(self, now: float) -> None:
        """Takes the next step; Say, Dtmf and Write begin at once."""
        self._since = now
        self._step = self._steps.popleft() if self._steps else None
        while isinstance(self._step, Decide):
            self._steps.extendleft(reversed(_prepared(self._step.choose(), self.script)))
            self._step = self._steps.popleft() if self._steps else None
        if isinstance(self._step, Say):
            self._start(self._step.what, now)
        elif isinstance(self._step, Dtmf):
            self._digits.extend(self._step.digits)
            self._digit_at = now
        elif isinstance(self._step, Write):
            self._texts.append(self._step.text)
            self._listening_since = now

    def _is_over(self, step: Step, now: float) -> bool:
        if isinstance(step, Wait):
            return now - self._since >= step.seconds - FRAME_S / 2
        if isinstance(step, WaitFor):
            return now - self._since >= step.limit_s or self._has_heard(step, now)
        if isinstance(step, Interrupt):
            started = self.ears.first_start(self._fresh_since(), now)
            due = started is not None and now - started >= step.after_ms / 1000 - FRAME_S / 2
            return due or now - self._since >= step.limit_s
        return isinstance(step, HangUp | Write)

    def _fresh_since(self) -> float:
        """A voice that had ended before this step began does not count as a beginning."""
        return max(self._listening_since, self._since - JOIN_S)

    def _has_heard(self, step: WaitFor, now: float) -> bool:
        if step.what is Hears.HANG_UP:
            return False
        if step.what is Hears.SPEECH_START:
            return self.ears.first_start(self._fresh_since(), now) is not None
        if step.what is Hears.SPEECH_END and self.ears.first_start(self._listening_since, now) is None:
            return False
        last = self.ears.last_heard(now)
        quiet_since = max(self._since if step.what is Hears.SILENCE else 0.0, last or 0.0)
        return now - quiet_since >= step.quiet_ms / 1000

    def _start(self, what: Path | Sound, now: float) -> None:
        assert isinstance(what, Sound)  # _prepared has loaded it
        self._sound, self._position = what, 0
        self.spoken.append(Spoken(what, now))
        self._listening_since = now

    def _speak(self, now: float) -> Frame:
        sound, spoken = self._sound, self.spoken[-1]
        assert sound is not None
        size = int(self._rate * FRAME_S)
        begin, end = self._position, min(self._position + size, len(sound.samples))
        samples = sound.samples[begin:end]
        if len(samples) < size:
            samples = np.concatenate([samples, np.zeros(size - len(samples), dtype=np.int16)])
        first, last = sound.speech
        if last and begin <= first < end:
            spoken.speech_began_at = now
        if last and begin < last <= end:
            spoken.speech_ended_at = self._listening_since = now
        self._position = end
        if end >= len(sound.samples):
            self._sound = None
            self._next(now)
        return Frame(samples=samples)

    def _press(self, now: float) -> Frame:
        """RFC 2833, as recorded: eleven frames of packets for a key of 160 ms, told of in the tenth."""
        if now < self._digit_at - FRAME_S / 2:
            return Frame()
        self._digit_frames += 1
        frame = Frame(pressing=True, digit=self._digits[0] if self._digit_frames == DTMF_TOLD_FRAME else "")
        if self._digit_frames == DTMF_FRAMES:
            self._digits.popleft()
            self._digit_frames = 0
            self._digit_at += DTMF_EVERY_S
            if not self._digits:
                self._next(now)
        return frame


def loaded(script: Script) -> Script:
    """The script with its sounds read, so that many calls share them. Raises SoundError."""
    return structs.replace(script, steps=tuple(_prepared(script.steps, script)))


def _prepared(chosen: Iterable[Step], script: Script) -> list[Step]:
    """The steps with their sounds loaded, at the wire's rate, and through the wire's codec.

    Raises:
        SoundError: a file cannot be used.
    """
    steps: list[Step] = []
    for step in chosen:
        if isinstance(step, Say):
            steps.append(Say(_on_wire(step.what, script)))
        elif isinstance(step, Interrupt):
            steps.append(Interrupt(after_ms=step.after_ms, say=_on_wire(step.say, script), limit_s=step.limit_s))
        else:
            steps.append(step)
    return steps


def _on_wire(what: Path | Sound, script: Script) -> Sound:
    sound = (what if isinstance(what, Sound) else load_sound(what)).at(script.codec.sample_rate)
    law = law_of(script)
    return sound if law is None else Sound(through_g711(sound.samples, law), sound.rate, sound.name)


def law_of(script: Script) -> G711 | None:
    """The G.711 law of the script's channel; None: linear."""
    match script.codec.value:
        case "PCMU":
            return "PCMU"
        case "PCMA":
            return "PCMA"
        case _:
            return None
