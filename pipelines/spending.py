"""What one call asks of hosted providers and what that costs, as it happens. Pure."""

from collections.abc import Callable
from typing import TypeAlias

from msgspec import structs

from pipelines.calls import StageUsage
from processors.metering import RateReachedError, Usage

Allowed: TypeAlias = Callable[[str, bool], bool]
"""Whether a stage of that `use` may send a request now, which is counted if so; it always may with True."""


class Spending:
    """Of one call, over all revisions on which it runs."""

    def __init__(self, allowed: Allowed = lambda _use, _whatever: True) -> None:
        self.allowed = allowed
        self._found: dict[tuple[str, str, str], StageUsage] = {}
        self.known_usd = 0.0
        """Of models whose price is known."""

    @property
    def usage(self) -> tuple[StageUsage, ...]:
        """By stage and model, in the order in which they were first asked."""
        return tuple(self._found.values())

    @property
    def cost_usd(self) -> float | None:
        """None where some price is not known."""
        return None if any(one.cost_usd is None for one in self.usage) else self.known_usd

    def meter(self, stage: str, use: str) -> "StageMeter":
        """For a stage of the call."""
        return StageMeter(self, stage, use)

    def used(self, stage: str, use: str, model: str, usage: Usage, cost_usd: float | None) -> None:
        """One answer came, or was broken off."""
        usage = usage.plausible()
        place = stage, use, model
        was = self._found.get(place) or StageUsage(stage=stage, use=use, model=model)
        self.known_usd += cost_usd or 0.0
        self._found[place] = structs.replace(
            was,
            answers=was.answers + 1,
            estimated=was.estimated + usage.estimated,
            input_tokens=was.input_tokens + usage.input_tokens,
            cached_tokens=was.cached_tokens + usage.cached_tokens,
            output_tokens=was.output_tokens + usage.output_tokens,
            audio_tokens=was.audio_tokens + usage.input_audio_tokens + usage.output_audio_tokens,
            audio_s=was.audio_s + usage.audio_s,
            characters=was.characters + usage.characters,
            cost_usd=None if was.cost_usd is None or cost_usd is None else was.cost_usd + cost_usd,
        )


class StageMeter:
    """A `Meter`."""

    def __init__(self, spending: Spending, stage: str = "", use: str = "") -> None:
        self._spending, self._stage, self._use = spending, stage, use

    def ask(self, *, whatever: bool = False) -> None:
        if not self._spending.allowed(self._use, whatever):
            raise RateReachedError

    def used(self, model: str, usage: Usage, cost_usd: float | None) -> None:
        self._spending.used(self._stage, self._use, model, usage, cost_usd)

    def of(self, stage: str, use: str) -> "StageMeter":
        return self._spending.meter(stage, use)
