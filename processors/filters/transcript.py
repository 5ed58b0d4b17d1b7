"""`filter.transcript`: the conversation, told to the PBX while it goes on."""

from typing import Annotated

from msgspec import Meta, Struct

from processors.factory import CallContext, ProcessorFactory, Role, Speaker, StageContext, Workshop


class TranscriptConfig(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Whose words."""

    speakers: Annotated[tuple[Speaker, ...], Meta(min_length=1, max_length=2)] = ("caller", "assistant")
    """`caller`: what was understood of a turn. `assistant`: what was heard of what it said."""


class TranscriptFilter(ProcessorFactory[TranscriptConfig, Struct]):
    """A tap on the record: each turn leaves the call as a text when it is written down, and as it is written down.

    It has no processor, and changes nothing of the call: what it tells was heard, and what `filter.redact` takes out of
    the record is not in it, wherever the two stand.
    """

    use = "filter.transcript"
    role = Role.FILTER
    config_type = TranscriptConfig
    tap = True

    def latency_ms(self, config: TranscriptConfig) -> float:
        return 0.0

    def cost_per_turn(self, config: TranscriptConfig) -> float:
        return 0.0

    async def prepare(self, config: TranscriptConfig, context: StageContext, workshop: Workshop) -> Struct:
        return config

    def tells(self, config: TranscriptConfig, prepared: Struct) -> frozenset[Speaker]:
        return frozenset(config.speakers)

    def create(self, config: TranscriptConfig, prepared: Struct, call: CallContext) -> None:
        return None
