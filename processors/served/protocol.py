"""What goes between those who ask a model server and the server: OpenAI's endpoints and field names.

Reference: https://platform.openai.com/docs/api-reference, "Audio", "Embeddings" and "Models". What Atende needs beyond
it is in headers of a request, which every other server ignores, and in fields of an answer that may be absent.
"""

from collections.abc import AsyncGenerator
from typing import Final, Literal, Protocol

from msgspec import Struct, field

TRANSCRIPTIONS: Final = "/v1/audio/transcriptions"
SPEECH: Final = "/v1/audio/speech"
EMBEDDINGS: Final = "/v1/embeddings"
MODELS: Final = "/v1/models"
HEALTH: Final = "/health"

PCM_RATE: Final = 24_000
"""Of `response_format=pcm`, in Hz: S16LE, mono, without a header, as the reference has it."""
PCM_TYPE: Final = "audio/pcm"
MAX_BODY_BYTES: Final = 25 * 1024 * 1024
"""Of a file to transcribe, as the reference has it."""
MAX_INPUT_CHARS: Final = 4096
"""Of a text to speak, as the reference has it."""
MAX_INPUTS: Final = 2048
"""Of texts to embed at a time, as the reference has it."""
MAX_EMBEDDED_CHARS: Final = 32_768
"""Of one of them."""

CLIENT: Final = "Atende-Client"
"""Who asks, so that the server can tell apart how much it does for whom."""
SPOKEN_LANGUAGE: Final = "Atende-Language"
"""espeak-ng's name of the language in which the text is read; without it, as the voice's name tells."""
REHEARSAL: Final = "Atende-Rehearsal"
"""`1`: behind all that callers wait for, and whole."""
BEAM_SIZE: Final = "Atende-Beam-Size"
TELL_LANGUAGE: Final = "Atende-Tell-Language"
"""`1`: the answer has `sounds_like`, where that is sure."""

NOT_READY: Final = "model_not_ready"
"""Ours: the code of an error whose message says what is missing where the server is, and no word that was spoken."""

LaneName = Literal["stt", "tts"]


class Segment(Struct, frozen=True, kw_only=True):
    """A stretch of what was transcribed (`verbose_json`). Times are in seconds."""

    id: int = 0
    seek: int = 0
    start: float = 0.0
    end: float = 0.0
    text: str = ""
    tokens: tuple[int, ...] = ()
    temperature: float = 0.0
    avg_logprob: float = 0.0
    """Mean log probability per token: 0 is certain."""
    compression_ratio: float = 1.0
    no_speech_prob: float = 0.0


class Transcription(Struct, frozen=True, kw_only=True):
    """An answer of `response_format=verbose_json`."""

    text: str
    task: str = "transcribe"
    language: str = ""
    duration: float = 0.0
    segments: tuple[Segment, ...] | None = None
    sounds_like: str | None = None
    """Ours: the language (`pt`) that is surely spoken, whatever it was understood as."""


class SpeechRequest(Struct, frozen=True, kw_only=True):
    """What is to be said. Of the formats ours has `pcm` alone."""

    model: str
    input: str
    voice: str
    response_format: str = "mp3"
    speed: float = 1.0


class EmbeddingsRequest(Struct, frozen=True, kw_only=True):
    """What is to be embedded."""

    model: str
    input: str | list[str]
    encoding_format: Literal["float", "base64"] = "float"


class Embedding(Struct, frozen=True, kw_only=True):
    """One vector: numbers, or base64 of little-endian float32."""

    index: int
    embedding: list[float] | str
    object: str = "embedding"


class Usage(Struct, frozen=True, kw_only=True):
    """Counted in texts: this model has no tokens that anybody would pay for."""

    prompt_tokens: int
    total_tokens: int


class Embeddings(Struct, frozen=True, kw_only=True):
    """An answer, in the order of the inputs."""

    data: list[Embedding]
    model: str = ""
    object: str = "list"
    usage: Usage | None = None


class Model(Struct, frozen=True, kw_only=True):
    """A model that a server has; what it is, is told by ours alone."""

    id: str
    object: str = "model"
    created: int = 0
    owned_by: str = ""
    sha256: str | None = None
    """Of its weights."""
    languages: tuple[str, ...] | None = None
    """That it understands."""
    voices: tuple[str, ...] | None = None
    """That it speaks with."""


class Models(Struct, frozen=True, kw_only=True):
    """All of them."""

    data: tuple[Model, ...]
    object: str = "list"


class ErrorBody(Struct, frozen=True, kw_only=True):
    """Why a request was refused."""

    message: str = ""
    type: str = "invalid_request_error"
    code: str | None = None


class ErrorAnswer(Struct, frozen=True, kw_only=True):
    """As OpenAI's servers wrap it."""

    error: ErrorBody


class LaneState(Struct, frozen=True, kw_only=True):
    """How much a lane of the server has to do. Times are in seconds."""

    threads: int
    waiting: int
    """Pieces of work that have not begun."""
    wait_s: float
    """The longest that one waited, of those of the last second."""
    busy_s: float
    """Of all threads since the server began."""
    yours_s: float
    """Of that, for who asks."""


class ServerHealth(Struct, frozen=True, kw_only=True):
    """Ours alone: `GET /health`."""

    instance: str
    """Another one each time that the server begins: it has loaded nothing then."""
    pid: int
    lanes: dict[LaneName, LaneState] = field(default_factory=dict)


class Transcribed(Struct, frozen=True, kw_only=True):
    """A request to transcribe S16LE audio."""

    model: str
    pcm: bytes
    sample_rate: int
    language: str
    prompt: str
    beam_size: int
    tell_language: bool


class ModelServer(Protocol):
    """A server, as stages ask it. All raise ModelServerError, `model` PrepareError, where it cannot do it."""

    @property
    def url(self) -> str: ...

    async def model(self, name: str) -> Model:
        """Have it loaded, where the server does that; from now on it is again after each restart of the server."""
        ...

    async def transcribe(self, asked: Transcribed) -> Transcription: ...

    def speak(self, asked: SpeechRequest, language: str, *, rehearsal: bool = False) -> AsyncGenerator[bytes, None]:
        """S16LE at PCM_RATE, as it is made. Closing the generator has the server stop."""
        ...


class ModelServerError(RuntimeError):
    """The server cannot do it, or is not there; the message says which and names no word that was spoken."""
