"""`llm.openai`: any server that speaks OpenAI's chat completions (OpenAI, vLLM, Ollama, llama.cpp, Groq, …)."""

from typing import TYPE_CHECKING, Annotated, Any

from msgspec import Meta
from pipecat.services.openai.base_llm import OpenAILLMSettings
from pipecat.services.openai.llm import OpenAILLMService

from base.http import OutboundPolicy
from base.secret import Secret, SecretRef
from processors.factory import CallContext, ProcessorFactory, Role, StageContext, Workshop
from processors.llm.answers import sentences_of
from processors.llm.fenced import UNUSED_KEY, bearer, checked_base_url, fenced_client
from processors.llm.hosted import Hosted, HostedConfig, ModelConfig, prompt_of, turn_cost
from processors.prices import Bill, Tariff, tariff

if TYPE_CHECKING:
    from openai import AsyncOpenAI

OPENAI = "https://api.openai.com/v1"


class OpenAiConfig(HostedConfig, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Which model, where, and with which key."""

    model: Annotated[str, Meta(min_length=1, max_length=200)]
    """As the server names it."""
    base_url: Annotated[str, Meta(max_length=500)] = OPENAI
    """https on the public internet, or an endpoint that the platform's operator allows."""
    api_key: SecretRef | None = None
    """Absent for a server that asks for none."""


class OpenAiLlm(ProcessorFactory[OpenAiConfig, "AsyncOpenAI"]):
    """`llm.openai`; the client and its connections are shared by all calls of the tenant."""

    use = "llm.openai"
    role = Role.LLM
    config_type = OpenAiConfig
    scope = "tenant"

    def latency_ms(self, config: OpenAiConfig) -> float:
        return config.deadline_s * 1000

    def cost_per_turn(self, config: OpenAiConfig) -> float | None:
        return turn_cost(_tariff(config), config)

    async def prepare(self, config: OpenAiConfig, context: StageContext, workshop: Workshop) -> "AsyncOpenAI":
        """Raises PrepareError for a base_url that may not be used, or an unknown secret. Asks the server nothing."""
        sentences_of(context.persona)
        base_url = checked_base_url(config.base_url, workshop.outbound)
        headers = await bearer(config.api_key, context.tenant_id, workshop)
        return openai_client(base_url, headers, workshop.outbound, config.deadline_s)

    def create(self, config: OpenAiConfig, prepared: "AsyncOpenAI", call: CallContext) -> "OpenAiService":
        bill = Bill(call.meter, config.model, _tariff(config))
        return openai_service(config.model, config, prepared, call, newest=config.base_url == OPENAI, bill=bill)

    async def close(self, prepared: "AsyncOpenAI") -> None:
        await prepared.close()


class OpenAiService(Hosted, OpenAILLMService):
    """pipecat's service over a client that it is given."""

    def __init__(self, client: "AsyncOpenAI", settings: OpenAILLMSettings) -> None:
        self._given = client
        super().__init__(settings=settings)

    def create_client(self, *_args: Any, **_kwargs: Any) -> "AsyncOpenAI":
        return self._given


def openai_client(
    base_url: str, headers: dict[str, Secret], outbound: OutboundPolicy, deadline_s: float
) -> "AsyncOpenAI":
    """OpenAI's client behind the fence. It does not retry: the caller waits, and the call has its own way out."""
    from openai import AsyncOpenAI

    return AsyncOpenAI(
        api_key=UNUSED_KEY,
        base_url=base_url,
        http_client=fenced_client(base_url, headers, outbound, deadline_s),
        max_retries=0,
    )


def openai_service(
    model: str,
    config: ModelConfig,
    client: "AsyncOpenAI",
    call: CallContext,
    *,
    newest: bool,
    bill: Bill | None = None,
) -> OpenAiService:
    """One call's service. `newest`: OpenAI's own server, whose newest models refuse `max_tokens`."""
    settings = OpenAILLMSettings(model=model, system_instruction=prompt_of(call))
    if config.temperature is not None:
        settings.temperature = config.temperature
    if newest:
        settings.max_completion_tokens = config.max_tokens
    else:
        settings.max_tokens = config.max_tokens
    service = OpenAiService(client, settings)
    service.attend(call, config.deadline_s, bill)
    return service


def _tariff(config: OpenAiConfig) -> Tariff | None:
    return tariff(config.model, config.base_url, config.price)
