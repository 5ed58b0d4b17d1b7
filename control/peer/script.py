"""What a scripted caller does, as data: built in code or read from a YAML or JSON file."""

from collections.abc import Callable
from difflib import get_close_matches
from enum import Enum
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from control.peer.sound import Sound

MAX_SCRIPT_BYTES = 256 * 1024
DIGITS = frozenset("0123456789ABCD*#")


class ScriptError(ValueError):
    """A script file cannot be read; the message names the file, the step and the fix."""


class Codec(Enum):
    """The codec of the caller's channel, as it would be negotiated by SIP."""

    PCMU = "PCMU"
    PCMA = "PCMA"
    L16_16K = "L16/16000"
    OPUS = "opus"
    """Mono at 48 kHz. The peer has no encoder: a caller's voice is what a perfect one would leave."""

    @property
    def sample_rate(self) -> int:
        """Of the channel's read codec, in Hz."""
        return {Codec.L16_16K: 16000, Codec.OPUS: 48000}.get(self, 8000)

    @property
    def bit_rate(self) -> int:
        """As in Channel-Read-Codec-Bit-Rate; 0: it varies."""
        return {Codec.L16_16K: 256_000, Codec.OPUS: 0}.get(self, 64_000)

    @property
    def wire_name(self) -> str:
        """As in Channel-Read-Codec-Name."""
        return self.value.partition("/")[0]


class Hears(Enum):
    """What a caller may wait for."""

    SPEECH_START = "speech_start"
    """The assistant's voice is heard (since the caller's last own speech sample)."""
    SPEECH_END = "speech_end"
    """The assistant has spoken (since then) and has now been silent for `quiet_ms`."""
    SILENCE = "silence"
    """Nothing has been heard for `quiet_ms`, whether or not there was a voice before."""
    HANG_UP = "hang_up"
    """The other side ends the call."""


class Say(Struct, frozen=True, tag="say"):
    """Speaks a sound, whole, its silences included."""

    what: Path | Sound


class Wait(Struct, frozen=True, tag="wait"):
    """Is silent for a while."""

    seconds: float


class WaitFor(Struct, frozen=True, kw_only=True, tag="wait_for"):
    """Is silent until something is heard, or until the limit; the script goes on either way."""

    what: Hears
    quiet_ms: int = 1000
    limit_s: float = 20.0


class Interrupt(Struct, frozen=True, kw_only=True, tag="interrupt"):
    """Begins to speak `after_ms` after the assistant's voice began (or at the limit, if it does not)."""

    after_ms: int
    say: Path | Sound
    limit_s: float = 20.0


class Dtmf(Struct, frozen=True, tag="dtmf"):
    """Presses keys: 160 ms each, one every 350 ms."""

    digits: str


class Write(Struct, frozen=True, tag="write"):
    """Writes into the call: by the media module's `send_text`, or as another client's event where there is none."""

    text: str


class Decide(Struct, frozen=True):
    """Goes on with the steps that are chosen when the script comes to this one. Only from a program, never a file."""

    choose: "Callable[[], tuple[Step, ...]]"


class HangUp(Struct, frozen=True, tag="hang_up"):
    """The caller hangs up here. The end of a script is a hang-up too."""


Step = Say | Wait | WaitFor | Interrupt | Dtmf | Write | Decide | HangUp


class Bursts(Struct, frozen=True, kw_only=True):
    """A lumpy uplink: every `every_s` seconds nothing leaves for `gap_ms`, then what was held back leaves at once."""

    every_s: float = 1.0
    gap_ms: int = 60


class Script(Struct, frozen=True, kw_only=True):
    """One caller. The steps begin when the call is answered."""

    steps: tuple[Step, ...]
    codec: Codec = Codec.PCMU
    filler_ms: int = 40
    """How long FreeSWITCH sends 0xFF instead of the caller's voice after the stream was opened."""
    bursts: Bursts | None = None
    limit_s: float = 180.0
    """The caller hangs up at the latest so long after the first ring."""
    hang_up_after_s: float | None = None
    """The caller hangs up so long after the first ring, wherever the script is (also before the answer)."""


class _WaitForDoc(Struct, forbid_unknown_fields=True):
    what: Hears
    quiet_ms: int = 1000
    limit_s: float = 20.0


class _InterruptDoc(Struct, forbid_unknown_fields=True):
    say: str
    after_ms: int
    limit_s: float = 20.0


class _StepDoc(Struct, forbid_unknown_fields=True, omit_defaults=True):
    say: str | None = None
    wait: float | None = None
    wait_for: Hears | _WaitForDoc | None = None
    interrupt: _InterruptDoc | None = None
    dtmf: str | None = None
    write: str | None = None
    hang_up: bool | None = None


class _ScriptDoc(Struct, forbid_unknown_fields=True):
    steps: list[Any]
    """Each is read by itself, so that what is wrong with it is told with its number."""
    codec: Codec = Codec.PCMU
    filler_ms: int = 40
    bursts: Bursts | None = None
    limit_s: float = 180.0
    hang_up_after_s: float | None = None


def load_script(path: Path) -> Script:
    """Reads a script; sound files are sought beside the script file.

    Raises:
        ScriptError: the file is missing, too large, no YAML or JSON, or a step is not understood.
    """
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise ScriptError(f"{path}: cannot be read: {error.strerror}") from error
    if len(raw) > MAX_SCRIPT_BYTES:
        raise ScriptError(f"{path}: larger than {MAX_SCRIPT_BYTES} bytes")
    try:
        if path.suffix == ".json":
            doc = msgspec.json.decode(raw, type=_ScriptDoc)
        else:
            doc = msgspec.yaml.decode(raw, type=_ScriptDoc)
    except msgspec.DecodeError as error:
        raise ScriptError(f"{path}: {error}") from error
    steps = tuple(_step(step, number, path) for number, step in enumerate(doc.steps, 1))
    return Script(
        steps=steps,
        codec=doc.codec,
        filler_ms=doc.filler_ms,
        bursts=doc.bursts,
        limit_s=doc.limit_s,
        hang_up_after_s=doc.hang_up_after_s,
    )


def _read(written: Any, where: str) -> _StepDoc:
    """What stands in a file as a step.

    Raises:
        ScriptError: no such step, or not what it takes; both with what there is.
    """
    verbs = _StepDoc.__struct_fields__
    doc = {written: True} if isinstance(written, str) else written
    if not isinstance(doc, dict) or len(doc) != 1 or None in doc.values():
        raise ScriptError(f"{where}: must have exactly one of {', '.join(verbs)}")
    [(verb, value)] = doc.items()
    if verb not in verbs:
        near = get_close_matches(str(verb), verbs, n=1)
        raise ScriptError(
            f"{where}: there is no step {verb!r}; " + _meant(near, f"a step is one of {', '.join(verbs)}")
        )
    what = value.get("what") if isinstance(value, dict) else value
    events = [event.value for event in Hears]
    if verb == "wait_for" and isinstance(what, str) and what not in events:
        near = get_close_matches(what, events, n=1)
        raise ScriptError(f"{where}: wait_for: there is no {what!r}; " + _meant(near, f"there are {', '.join(events)}"))
    try:
        return msgspec.convert(doc, _StepDoc)
    except msgspec.ValidationError as error:
        raise ScriptError(f"{where}: {verb}: {error}") from error


def _meant(near: list[str], there_are: str) -> str:
    return f"did you mean {near[0]!r}?" if near else there_are


def _step(written: Any, number: int, path: Path) -> Step:
    """One step of a file.

    Raises:
        ScriptError: see `_read`; a digit that no telephone has, or nothing to write.
    """
    doc = _read(written, f"{path}: step {number}")
    if doc.say is not None:
        return Say(path.parent / doc.say)
    if doc.wait is not None:
        return Wait(doc.wait)
    if doc.interrupt is not None:
        inner = doc.interrupt
        return Interrupt(after_ms=inner.after_ms, say=path.parent / inner.say, limit_s=inner.limit_s)
    if doc.dtmf is not None:
        if not doc.dtmf or set(doc.dtmf) - DIGITS:
            raise ScriptError(f"{path}: step {number}: dtmf takes the digits 0-9, A-D, * and #, in quotes")
        return Dtmf(doc.dtmf)
    if doc.write is not None:
        if not doc.write.strip():
            raise ScriptError(f"{path}: step {number}: write takes some words")
        return Write(doc.write)
    return HangUp() if doc.wait_for is None else _wait_for(doc.wait_for)


def _wait_for(doc: Hears | _WaitForDoc) -> WaitFor:
    if isinstance(doc, Hears):
        return WaitFor(what=doc)
    return WaitFor(what=doc.what, quiet_ms=doc.quiet_ms, limit_s=doc.limit_s)


def question_and_answer(sounds: tuple[Path | Sound, ...], *, codec: Codec = Codec.PCMU) -> Script:
    """Hears the greeting, asks each question and hears its answer, then hangs up."""
    steps: list[Step] = [WaitFor(what=Hears.SPEECH_END)]
    for sound in sounds:
        steps += [Say(sound), WaitFor(what=Hears.SPEECH_END)]
    return Script(steps=(*steps, HangUp()), codec=codec)
