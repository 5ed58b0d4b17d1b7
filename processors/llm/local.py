"""`llm.local`: a small language model inside this process, for machines without any other.

xllamacpp loads a GGUF file and opens an OpenAI-compatible server on a loopback port by itself; the rest is
`llm.openai`. Measured with the 1.5 billion parameters of the default model on one core: 8 words a second,
half a second to the first one when the prompt is known, and facts that are not always right: fit to
rephrase, not to decide.
"""

import asyncio
import secrets
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import structlog
from msgspec import Meta
from msgspec.structs import replace

from base.http import Endpoint
from base.secret import Secret
from processors.factory import CallContext, PrepareError, ProcessorFactory, Role, StageContext, Weight, Workshop
from processors.llm.answers import sentences_of
from processors.llm.hosted import ModelConfig
from processors.llm.openai import OpenAiService, openai_client, openai_service

if TYPE_CHECKING:
    from openai import AsyncOpenAI

log = structlog.get_logger()

# The file's own template offers tools, which this model only pretends to call.
CHATML = """{% for m in messages %}<|im_start|>{{ m.role }}
{{ m.content }}<|im_end|>
{% endfor %}<|im_start|>assistant
"""


class LocalConfig(ModelConfig, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Which model and how much of the machine it may have."""

    model: Annotated[str, Meta(pattern=r"^[a-z][a-z0-9._-]{0,62}$")] = "qwen-coder-1.5b"
    """A model of `atende models list` with one GGUF file."""
    threads: Annotated[int, Meta(ge=1, le=64)] = 1
    """More than one is slower on a machine that does anything else."""
    context_tokens: Annotated[int, Meta(ge=1024, le=32768)] = 4096
    """Of instructions, passages and conversation together, for all answers at the same time."""
    parallel: Annotated[int, Meta(ge=1, le=16)] = 1
    """Answers at the same time; each has its share of `context_tokens`."""
    deadline_s: Annotated[float, Meta(ge=0.5, le=60.0)] = 30.0


class LocalModel:
    """The loaded model's server, and the client that asks it."""

    def __init__(self, server: object, client: "AsyncOpenAI") -> None:
        self._server: object | None = server
        self.client = client

    def unload(self) -> None:
        """Stops the server, which ends with its last reference; waits for it."""
        self._server = None


class LocalLlm(ProcessorFactory[LocalConfig, LocalModel]):
    """`llm.local`; one model for all tenants with the same config."""

    use = "llm.local"
    role = Role.LLM
    config_type = LocalConfig

    def weight(self, config: LocalConfig) -> Weight:
        """About that of the default model's file and its context."""
        return Weight(f"llm.local {config.model} {config.context_tokens}", 1500.0)

    def latency_ms(self, config: LocalConfig) -> float:
        return config.deadline_s * 1000

    def cost_per_turn(self, config: LocalConfig) -> float:
        return 0.0

    async def prepare(self, config: LocalConfig, context: StageContext, workshop: Workshop) -> LocalModel:
        """Loads the model (seconds, gigabytes). Raises PrepareError that names the extra or the command missing."""
        sentences_of(context.persona)
        xllamacpp = _library()
        file = _gguf(workshop.models.path(config.model))
        key = Secret(secrets.token_urlsafe(32))
        server = await asyncio.to_thread(_serve, xllamacpp, config, file, key)
        host, _, port = str(server.listening_address).removeprefix("http://").partition(":")
        ours = replace(workshop.outbound, allow=frozenset({Endpoint(host, int(port))}))
        headers = {"Authorization": Secret(f"Bearer {key.reveal()}")}
        log.info("local language model loaded", model=config.model, threads=config.threads)
        client = openai_client(f"http://{host}:{port}/v1", headers, ours, config.deadline_s)
        return LocalModel(server, client)

    def create(self, config: LocalConfig, prepared: LocalModel, call: CallContext) -> OpenAiService:
        return openai_service(config.model, config, prepared.client, call, newest=False)

    async def close(self, prepared: LocalModel) -> None:
        await prepared.client.close()
        await asyncio.to_thread(prepared.unload)


def _library() -> Any:
    try:
        import xllamacpp
    except ImportError as error:
        raise PrepareError('llm.local needs the package xllamacpp: pip install "atende[local-llm]"') from error
    return xllamacpp


def _gguf(folder: Path) -> Path:
    files = sorted(folder.glob("*.gguf"))
    if len(files) != 1:
        raise PrepareError(f"llm.local: {len(files)} GGUF files in {folder}, not one; choose another `model`")
    return files[0]


def _serve(xllamacpp: Any, config: LocalConfig, file: Path, key: Secret) -> Any:
    """Blocks for seconds. Only this process knows the key; the port is loopback's and chosen by the system."""
    params = xllamacpp.CommonParams()
    params.model.path = str(file)
    params.n_ctx = config.context_tokens
    params.n_parallel = config.parallel
    params.cpuparams.n_threads = config.threads
    params.cpuparams_batch.n_threads = config.threads
    params.chat_template = CHATML
    params.verbosity = -1
    params.hostnames = ["127.0.0.1"]
    params.port = 0
    params.api_keys = [key.reveal()]
    params.ui = False
    params.endpoint_slots = False
    try:
        return xllamacpp.Server(params)
    except RuntimeError as error:
        raise PrepareError(f"llm.local: {file.name} cannot be loaded: {error}") from error
