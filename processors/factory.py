"""What a stage promises.

Lifecycle, in this order:

1. `prepare` once per distinct config: loads weights, makes clients, may probe. Slow, shared between
   calls and (for `scope="process"`) between tenants. Whatever must be refused when a document is
   published has to fail here, with `PrepareError`: pipecat does not raise for a failing `setup()`.
2. `says` tells which sentences the stage may speak word for word; `rehearse` lets a voice render them.
   `for_voice` and `for_record` tell how the stage changes what is said aloud and what is written down, `tells` whose
   words leave the call.
3. `create` once per call: cheap, never waits, returns a pipecat FrameProcessor. None where there is
   nothing for one to do: a `vad.*` stage's prepared object is an `IngressVad` and works at the edge, and a
   filter that only changes or tells texts says how (`for_voice`, `for_record`, `tells`).
   What asks a hosted provider tells `call.meter` so: before each request, and what it took.
4. `close` when the last revision that used the prepared object is gone.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any, Generic, Literal, Protocol, TypeAlias, TypeVar, runtime_checkable

from msgspec import Struct
from pipecat.processors.frame_processor import FrameProcessor

from base.clock import Clock
from base.http import OutboundPolicy
from base.ids import AssistantName, CallId, TenantId
from base.secret import Secret
from knowledge.passages import Library
from processors.metering import Meter, Unmetered
from processors.served.protocol import ModelServer

C = TypeVar("C", bound=Struct)
P = TypeVar("P")


class Role(Enum):
    """What kind of work a stage does; decides which slot it sits in."""

    VAD = "vad"
    STT = "stt"
    RAG = "rag"
    LLM = "llm"
    TTS = "tts"
    REALTIME = "realtime"
    """Speech to speech: a mind that hears and speaks by itself, with a vad stage for its only ear."""
    FILTER = "filter"


EAR = frozenset({Role.VAD, Role.STT})
"""Roles of the ear slot; all others sit in the mind."""


class Kind(Enum):
    """What goes from stage to stage, as far as one stage needs it of another."""

    AUDIO = "the caller's audio"
    KEYS = "the caller's keys"
    TRANSCRIPT = "transcripts"
    TURN = "the caller's turn"
    """The conversation up to the end of a turn (an LLMContextFrame); the spine makes it of transcripts."""
    PASSAGES = "passages found"
    WORDS = "words to speak"
    SPEECH = "speech"


TAKES: Mapping[Role, frozenset[Kind]] = {
    Role.STT: frozenset({Kind.AUDIO}),
    Role.RAG: frozenset({Kind.TURN}),
    Role.LLM: frozenset({Kind.TURN}),
    Role.TTS: frozenset({Kind.WORDS}),
    Role.REALTIME: frozenset({Kind.AUDIO}),
}
"""What a stage of a role cannot work without, unless its factory says otherwise."""
GIVES: Mapping[Role, frozenset[Kind]] = {
    Role.STT: frozenset({Kind.TRANSCRIPT}),
    Role.RAG: frozenset({Kind.PASSAGES}),
    Role.LLM: frozenset({Kind.WORDS}),
    Role.TTS: frozenset({Kind.SPEECH}),
    Role.REALTIME: frozenset({Kind.SPEECH}),
}
"""What a stage of a role makes, unless its factory says otherwise."""


class Place(Enum):
    """Where in a pipeline a filter has something to do; a document that puts it elsewhere is refused."""

    ANYWHERE = "anywhere"
    """Before the last stage of the ear it sits in the ear, else in the mind."""
    HEARING = "hearing"
    """In the ear, behind the stt stage: it sees the caller's words as transcripts."""
    THINKING = "thinking"
    """In the mind, ahead of the tts stage: ahead of the llm it sees the caller's turns, behind it the answer too."""
    ANSWERING = "answering"
    """In the mind, between the llm and the tts stage."""


Change: TypeAlias = Callable[[str, str], str]
"""What becomes of a text in a language (BCP 47 tag). Pure, takes less than a millisecond, raises nothing."""


Speaker: TypeAlias = Literal["caller", "assistant"]
"""Whose words."""


class PrepareError(Exception):
    """A stage cannot be made ready; the message names what is missing and the fix."""


class ModelFiles(Protocol):
    """Where model files are. Nothing is ever fetched through this."""

    def path(self, model: str) -> Path:
        """Folder of a complete, verified model. Raises PrepareError that names the command to run."""
        ...


class Persona(Struct, frozen=True, kw_only=True):
    """Who speaks, as far as a stage needs to know."""

    name: AssistantName
    language: str
    """BCP 47 tag: `pt-BR`, `en`, `es`."""
    company: str
    instructions: str = ""
    texts: Mapping[str, str] = {}
    """The operator's own words for fixed sentences, by the keys of `base.languages.Texts`."""


@dataclass(frozen=True, kw_only=True)
class Workshop:
    """What the process lends to `prepare`."""

    clock: Clock
    models: ModelFiles
    library: Library
    data_dir: Path
    secret: Callable[[TenantId, str], Awaitable[Secret]]
    """The value of a `{secret: name}`, in one tenant's namespace. Raises PrepareError."""
    compute: "Compute"
    outbound: OutboundPolicy = field(default_factory=OutboundPolicy)
    """Where requests to addresses from tenants' documents may go."""
    secret_version: Callable[[TenantId, str], int] = lambda _tenant, _name: 0
    """Which version of a secret `secret` gives now: what was prepared with another one is prepared anew."""
    served: ModelServer | None = None
    """Where the models of embedded stages are; None: in this process."""


class Compute(Protocol):
    """Threads for heavy work, bounded for the whole process: speech recognition never queues behind a rendering."""

    async def run(self, lane: Literal["stt", "tts", "background"], work: Callable[[], Any]) -> Any:
        """Run `work` on a thread of that lane; the result or its exception."""
        ...


class StageContext(Struct, frozen=True, kw_only=True):
    """Whose stage is being prepared."""

    tenant_id: TenantId
    persona: Persona


class CallContext(Struct, frozen=True, kw_only=True):
    """Whose call a stage is made for."""

    tenant_id: TenantId
    call_id: CallId
    persona: Persona
    sample_rate: int
    """Of the wire, in Hz; audio in the pipeline has this rate both ways."""
    meter: Meter = Unmetered()
    """Of this stage in this call: what it asks of a hosted provider, and what that takes."""
    begins: bool = True
    """The call begins with it; False where others work in the call, whose place it may take."""


@runtime_checkable
class Carries(Protocol):
    """A processor that knows something of the call which has to outlive it.

    When a call changes over to a revision that has the same stage (of the same id and type), `take` of its processor
    there is given what `carry` of this one gave, and no frame passes between the two. Neither waits.
    """

    def carry(self) -> object:
        """What the next one has to know. It is given away: this one has no more to say of it."""
        ...

    def take(self, carried: Any) -> None:
        """Know it too, as far as it fits one's own settings, which may be others."""
        ...

    async def go_on(self) -> None:
        """The call has changed over: tell the stages, which may be new, what they have to know of it.

        Also called where this processor has stayed.
        """
        ...


class Weight(Struct, frozen=True):
    """Memory that is taken once, however many prepared things share it by its name."""

    name: str
    mb: float


class ProcessorFactory(Generic[C, P]):
    """One kind of stage. Subclasses set the class attributes and override what they need."""

    use: str
    """Name in a document: `tts.kokoro`."""
    role: Role
    config_type: type[C]
    audio: Literal["speech", "continuous"] = "speech"
    """Whether the gate at the ingress may withhold silence from this stage."""
    scope: Literal["process", "tenant"] = "process"
    """Whether tenants with the same config share the prepared object; a stage with secrets never does."""
    place: Place = Place.ANYWHERE
    """Of a filter: where it has something to do."""
    needs_words: bool = False
    """Of a filter: it works on transcripts or on the answer's words, and a realtime stage makes neither."""

    takes: frozenset[Kind] | None = None
    """Without these it has nothing to do, and a document that never brings them is refused; None: as its role."""
    gives: frozenset[Kind] | None = None
    """What it makes; None: as its role. What it only passes on is not named."""
    lane: Literal["stt", "tts"] | None = None
    """Where its calls' heavy work is done, in this process or by a model server: calls are taken while the lane has
    room.
    """
    tap: bool = False
    """Whether it passes every frame on as it is, at once, and at most adds its own: taps may stand side by side."""

    def latency_ms(self, config: C) -> float | None:
        """The longest that a turn waits for this stage's first output, in milliseconds; None: not known."""
        return None

    def cost_per_turn(self, config: C) -> float | None:
        """The most that a turn costs, in US dollars, where a model reads `prices.READ_TOKENS`; None: not known.

        A document with a `daily_cost` is refused then: what is not known cannot be counted.
        """
        return None

    async def prepare(self, config: C, context: StageContext, workshop: Workshop) -> P:
        """Raises PrepareError."""
        raise NotImplementedError

    def weight(self, config: C) -> Weight | None:
        """What of the memory the prepared object takes; None for next to nothing."""
        return None

    async def says(self, config: C, prepared: P, context: StageContext) -> Sequence[str]:
        """Sentences that this stage may speak word for word."""
        return ()

    async def rehearse(
        self,
        config: C,
        prepared: P,
        context: StageContext,
        sentences: Sequence[str],
        progress: Callable[[int, int], None],
    ) -> None:
        """Render sentences ahead of the calls; `progress(done, total)` after each. Idempotent."""

    def for_voice(self, config: C, prepared: P) -> Change | None:
        """How this stage changes each sentence that the voice says; the conversation keeps what was written."""
        return None

    def for_record(self, config: C, prepared: P) -> Change | None:
        """How this stage changes what is written down of a turn and told live; the mind keeps what was said."""
        return None

    def tells(self, config: C, prepared: P) -> frozenset[Speaker]:
        """Whose words leave the call as texts, as they are written down and when they are."""
        return frozenset()

    def create(self, config: C, prepared: P, call: CallContext) -> FrameProcessor | None:
        """One call's processor."""
        raise NotImplementedError

    def close(self, prepared: P) -> Awaitable[None] | None:
        """Let go of the prepared object."""
        return None
