"""How long a caller waits at worst, and what a turn costs, by what the stages say of themselves. Pure."""

from msgspec import Struct

from pipelines.check import CheckedAssistant, CheckedStage
from processors.factory import EAR


class StageFigures(Struct, frozen=True):
    """One stage's own; None where it does not say. A tap delays nothing."""

    id: str
    use: str
    latency_ms: float | None
    cost: float | None


class Estimate(Struct, frozen=True, kw_only=True):
    """Of one turn, from the end of the caller's speech to the first sound of the answer."""

    stages: tuple[StageFigures, ...]
    ear_ms: float
    """Of what is known."""
    wait_ms: float
    """The turn's own `wait_s`."""
    mind_ms: float
    """What the stages of the mind may take, or the `answer_timeout_s` after which the failure text is said."""
    latency_unknown: tuple[str, ...]
    """Stages of which the latency is not known; of those in the mind the bound holds all the same."""
    cost: float
    """US dollars, of what is known."""
    cost_unknown: tuple[str, ...]

    @property
    def total_ms(self) -> float:
        """The longest wait, unless a stage of the ear is among the unknown."""
        return self.ear_ms + self.wait_ms + self.mind_ms


def estimate(assistant: CheckedAssistant) -> Estimate:
    """The worst turn of an assistant."""
    figures = tuple(map(_figures, assistant.stages))
    ear = [figure for figure, stage in zip(figures, assistant.stages, strict=True) if stage.factory.role in EAR]
    mind = [figure for figure in figures if figure not in ear]
    bound_ms = assistant.spec.limits.answer_timeout_s * 1000
    known_ms = sum(figure.latency_ms or 0.0 for figure in mind)
    complete = all(figure.latency_ms is not None for figure in mind)
    return Estimate(
        stages=figures,
        ear_ms=sum(figure.latency_ms or 0.0 for figure in ear),
        wait_ms=assistant.spec.turn.wait_s * 1000,
        mind_ms=min(known_ms, bound_ms) if complete else bound_ms,
        latency_unknown=tuple(figure.id for figure in figures if figure.latency_ms is None),
        cost=sum(figure.cost or 0.0 for figure in figures),
        cost_unknown=tuple(figure.id for figure in figures if figure.cost is None),
    )


def _figures(stage: CheckedStage) -> StageFigures:
    factory, config = stage.factory, stage.config
    latency_ms = 0.0 if factory.tap else factory.latency_ms(config)
    return StageFigures(stage.id, factory.use, latency_ms, factory.cost_per_turn(config))
