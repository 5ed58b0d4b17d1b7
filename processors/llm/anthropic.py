"""`llm.anthropic`: Claude over Anthropic's Messages API."""

from typing import TYPE_CHECKING, Annotated

from msgspec import Meta
from pipecat.services.anthropic.llm import AnthropicLLMService, AnthropicLLMSettings

from base.secret import SecretRef
from processors.factory import CallContext, ProcessorFactory, Role, StageContext, Workshop
from processors.llm.answers import sentences_of
from processors.llm.fenced import UNUSED_KEY, checked_base_url, fenced_client, header_value
from processors.llm.hosted import Hosted, HostedConfig, prompt_of, turn_cost
from processors.prices import Bill, Tariff, tariff

if TYPE_CHECKING:
    from anthropic import AsyncAnthropic


class AnthropicConfig(HostedConfig, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Which model, and with which key."""

    model: Annotated[str, Meta(min_length=1, max_length=200)]
    """As Anthropic names it."""
    api_key: SecretRef
    """`{secret: name}` of the tenant's own."""
    base_url: Annotated[str, Meta(max_length=500)] = "https://api.anthropic.com"
    """https on the public internet, or an endpoint that the platform's operator allows."""


class AnthropicLlm(ProcessorFactory[AnthropicConfig, "AsyncAnthropic"]):
    """`llm.anthropic`; the client and its connections are shared by all calls of the tenant."""

    use = "llm.anthropic"
    role = Role.LLM
    config_type = AnthropicConfig
    scope = "tenant"

    def latency_ms(self, config: AnthropicConfig) -> float:
        return config.deadline_s * 1000

    def cost_per_turn(self, config: AnthropicConfig) -> float | None:
        return turn_cost(_tariff(config), config)

    async def prepare(self, config: AnthropicConfig, context: StageContext, workshop: Workshop) -> "AsyncAnthropic":
        """Raises PrepareError for a base_url that may not be used, or an unknown secret. Asks the server nothing."""
        from anthropic import AsyncAnthropic

        sentences_of(context.persona)
        base_url = checked_base_url(config.base_url, workshop.outbound)
        headers = {"x-api-key": await header_value(config.api_key, context.tenant_id, workshop)}
        return AsyncAnthropic(
            api_key=UNUSED_KEY,
            base_url=base_url,
            http_client=fenced_client(base_url, headers, workshop.outbound, config.deadline_s),
            max_retries=0,
        )

    def create(self, config: AnthropicConfig, prepared: "AsyncAnthropic", call: CallContext) -> "AnthropicService":
        settings = AnthropicLLMSettings(
            model=config.model,
            system_instruction=prompt_of(call),
            max_tokens=config.max_tokens,
            enable_prompt_caching=True,
        )
        if config.temperature is not None:
            settings.temperature = config.temperature
        service = AnthropicService(api_key=UNUSED_KEY, client=prepared, settings=settings)
        service.attend(call, config.deadline_s, Bill(call.meter, config.model, _tariff(config)))
        return service

    async def close(self, prepared: "AsyncAnthropic") -> None:
        await prepared.close()


class AnthropicService(Hosted, AnthropicLLMService):
    """pipecat's service over a client that it is given."""

    cache_is_input = False


def _tariff(config: AnthropicConfig) -> Tariff | None:
    return tariff(config.model, config.base_url, config.price)
