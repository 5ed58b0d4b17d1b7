"""What is known of a call while it lives and after it: events, turns and the record."""

from datetime import datetime
from typing import Final, Literal, Protocol

from msgspec import Struct, structs

from base.ids import AssistantName, CallId, TenantId
from pipelines.timeline import Moment


class Call(Struct, frozen=True, kw_only=True):
    """A call that has been let in."""

    id: CallId
    tenant_id: TenantId
    tenant_slug: str
    assistant: AssistantName
    number: str
    caller: str
    revision: int
    language: str
    opened_at: datetime
    switch: str = "default"
    """The PBX that it came from."""


class Waterfall(Struct, frozen=True, kw_only=True):
    """One turn's latency: milliseconds after the caller's last speech sample; None = did not happen.

    `turn_end` is when the turn was ours (turn wait and transcript both there); `first_audio` is when
    the first sample of the answer left on the wire.
    """

    vad_stop: float | None = None
    turn_wait: float | None = None
    """When the silence that the assistant waits for was over (`turn.wait_s` after the VAD's stop)."""
    transcript: float | None = None
    turn_end: float | None = None
    retrieved: float | None = None
    first_sentence: float | None = None
    first_tts_audio: float | None = None
    first_audio: float | None = None


class Turn(Struct, frozen=True, kw_only=True):
    """One thing said. For the assistant, `text` is what was *heard* by the caller."""

    role: Literal["caller", "assistant"]
    text: str
    at_ms: float
    """Milliseconds after the call was answered."""
    interrupted: bool = False
    written: bool = False
    """The caller wrote it, or a part of it. Without any voice its answer has no waterfall: there is no last sample."""
    intent: str | None = None
    passage_id: str | None = None
    waterfall: Waterfall | None = None


class StageUsage(Struct, frozen=True, kw_only=True):
    """What one model of a hosted provider's was asked in a call, and what that took."""

    stage: str
    """By its id in the document."""
    use: str
    model: str
    """As the provider names it."""
    answers: int = 0
    """Of which something is known below."""
    estimated: int = 0
    """Of these: broken off, or of a server that tells nothing. Their tokens are guessed by the length of what was asked
    and said."""
    input_tokens: int = 0
    cached_tokens: int = 0
    """Of the input: read from the provider's cache."""
    output_tokens: int = 0
    audio_tokens: int = 0
    """Of input and output."""
    audio_s: float = 0.0
    """Heard by a recogniser that is paid by time."""
    characters: int = 0
    """Spoken by a voice that is paid by text."""
    cost_usd: float | None = 0.0
    """Null: the model's price is not known."""


END_REASONS: Final = (
    "caller_hangup",
    "hangup",
    "goodbye",
    "operator",
    "transferred",
    "ended_by_operator",
    "silence",
    "max_duration",
    "max_turns",
    "failure",
    "lost",
    "shutdown",
    "crash",
)
"""Why a call ended: see `CallRecord.end_reason`."""


class CallRecord(Struct, frozen=True, kw_only=True):
    """The whole of a finished call. Stored idempotently by `call.id`."""

    call: Call
    ended_at: datetime
    end_reason: str
    """One of `caller_hangup`, `hangup` (by the switch, or by somebody at it: `hangup_cause` says why), `goodbye`,
    `operator`, `transferred` (to a number of the dialplan), `ended_by_operator` (somebody who watches the calls hung
    up), `silence`, `max_duration`, `max_turns`, `failure`, `lost` (the wire broke, or the process died
    that had the call), `shutdown`. In records of former versions also `crash`: the process died."""
    hangup_cause: str
    turns: tuple[Turn, ...]
    errors: tuple[str, ...] = ()
    recording: str | None = None
    """Path of the stereo WAV (left caller, right assistant), relative to the data directory."""
    revisions: tuple[int, ...] = ()
    """On which the call ran, in this order; `call.revision` is the first."""
    timeline: tuple[Moment, ...] = ()
    """What happened when, and why it ended; empty of calls from before there was one, and of one whose process died."""
    cost_usd: float | None = None
    """What hosted providers cost, in US dollars; null where a price is not known, of a call whose process died,
    and of calls from before it was counted."""
    usage: tuple[StageUsage, ...] = ()
    """What was asked of hosted providers, by stage and model."""
    words_erased_at: datetime | None = None
    """Since when the turns have no words, by what the tenant lets be kept; null: they have them."""


def without_words(record: CallRecord, at: datetime) -> CallRecord:
    """That the call was, and its figures: who spoke when, and how quick each answer was. Nothing of what was said, nor
    what it was about.
    """
    turns = tuple(structs.replace(turn, text="", intent=None, passage_id=None) for turn in record.turns)
    return structs.replace(record, turns=turns, words_erased_at=at)


class CallLog(Protocol):
    """Keeps records. Neither method may wait for a database: a crash after `opened` still leaves a row."""

    async def opened(self, call: Call) -> None: ...

    async def closed(self, record: CallRecord) -> None: ...


class Opened(Struct, frozen=True, kw_only=True, tag=True):
    call: Call


class CallerSpeaking(Struct, frozen=True, kw_only=True, tag=True):
    call_id: CallId
    speaking: bool


class Understood(Struct, frozen=True, kw_only=True, tag=True):
    call_id: CallId
    text: str


class Found(Struct, frozen=True, kw_only=True, tag=True):
    call_id: CallId
    document: str
    heading: str
    text: str
    score: float
    sure: bool
    likely: bool = False


class Said(Struct, frozen=True, kw_only=True, tag=True):
    """What the caller has heard of a sentence or an answer."""

    call_id: CallId
    text: str
    interrupted: bool
    waterfall: Waterfall | None


class ChangedOver(Struct, frozen=True, kw_only=True, tag=True):
    """A live call runs on another revision from now on."""

    call_id: CallId
    revision: int


class StageFailed(Struct, frozen=True, kw_only=True, tag=True):
    """A stage of a live call reported an error; see `pipelines.failures` for the words."""

    call_id: CallId
    kind: str
    reason: str


class FellBack(Struct, frozen=True, kw_only=True, tag=True):
    """The assistant says the failure sentence in the place of an answer."""

    call_id: CallId


class Underrun(Struct, frozen=True, kw_only=True, tag=True):
    """A sentence goes on after a silence in its middle: its voice was slower than it speaks."""

    call_id: CallId
    silent_ms: int


class Closed(Struct, frozen=True, kw_only=True, tag=True):
    record: CallRecord


LiveEvent = (
    Opened | CallerSpeaking | Understood | Found | Said | ChangedOver | StageFailed | FellBack | Underrun | Closed
)


class LiveFeed(Protocol):
    """Hears what happens in calls as it happens; must not block or raise."""

    def __call__(self, event: LiveEvent, /) -> None: ...
