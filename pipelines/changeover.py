"""A live call changes over to another revision: made ready beside what works, exchanged while nobody speaks.

The candidate is made while the conversation goes on; what it says of itself is heard by nobody. When nobody speaks and
nothing is owed, or when the call was never quiet for `deadline_s`, ear and mind are exchanged, the detector is told its
new parameters, and the conversation goes on. What cannot be made is not exchanged, and the call stays what it was.
"""

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any, Final, Protocol, runtime_checkable

import structlog
from msgspec import structs

from pipelines.assembly import Spine
from pipelines.carrying import carry_over, go_on
from pipelines.leases import Lease
from pipelines.loaded import LoadedPipeline
from pipelines.plan import Graph, Single
from pipelines.slot import Candidate, HotSlot
from pipelines.unlink import everything_in
from processors.factory import CallContext, Role

log = structlog.get_logger()

DEADLINE_S: Final = 30.0
"""A call in which somebody always speaks is changed over in the middle of it."""
READY_S: Final = 10.0
"""A candidate has this long to be set up, and as long to start."""
LEAVE_S: Final = 1.0
"""What the former stages still hold has this long to come out."""


@runtime_checkable
class TakesAnotherEar(Protocol):
    """A transport whose detector can be exchanged."""

    def set_vad(self, vad: Any) -> None:
        """Judge the caller's audio by another detector from now on."""
        ...

    def set_continuous(self, continuous: bool) -> None:
        """Whether the ear gets silence too, from now on."""
        ...


class ChangeOver:
    """One call's. `wake` is told when there is something to be done: `due` says whether it may be done now.

    Closing order: `close` before the pipeline is ended.
    """

    def __init__(
        self,
        lease: Lease,
        transport: object,
        context_of: Callable[[LoadedPipeline], CallContext],
        wake: Callable[[], None],
        now: Callable[[], float],
        *,
        deadline_s: float = DEADLINE_S,
    ) -> None:
        self._lease, self._transport, self._context_of = lease, transport, context_of
        self._wake, self._now, self._deadline_s = wake, now, deadline_s
        self._spine: Spine | None = None
        self._asked_at = 0.0
        self._making: asyncio.Task[_Candidates] | None = None

    def open(self, spine: Spine) -> None:
        """The call's pipeline runs: from now on it can be changed."""
        self._spine = spine
        self._lease.heed = self._offered
        if self._lease.offered is not None:
            self._offered()

    @property
    def deadline(self) -> float:
        """When it is due whoever speaks; never while there is nothing to do."""
        return self._asked_at + self._deadline_s if self._ready else float("inf")

    def due(self, *, quiet: bool, speaking: bool) -> bool:
        """Whether `perform` is to be called now; `quiet` when nobody speaks and nothing is owed.

        After the deadline while the assistant is `speaking`, too: what it has said is on its way by then. Not while
        the caller speaks, or while an answer is thought of.
        """
        return self._ready and (quiet or (speaking and self._now() >= self.deadline))

    async def perform(self) -> str:
        """Change over. Why it could not be done; empty when it was: the lease is of the new revision then."""
        making, self._making = self._making, None
        assert making is not None
        assert self._spine is not None
        try:
            candidates = making.result()
            await candidates.take_over(self._spine, self._lease.pipeline)
        except Exception as error:
            if making.exception() is None:
                await making.result().dismiss(self._spine)
            self._lease.decline()
            self._offered()
            return f"{type(error).__name__}: {error}"
        former, now = self._lease.pipeline, candidates.pipeline
        self._tell_transport(former, now)
        if candidates.keeps_ear:
            now.adopt_ear(former, everything_in(self._spine.ear))
        self._lease.accept()
        await go_on(self._spine.ear)
        await go_on(self._spine.mind)
        self._offered()
        return ""

    async def close(self) -> None:
        """Nothing is changed any more. Idempotent."""
        self._lease.heed = None
        making, self._making = self._making, None
        if making is not None:
            making.cancel()
            await asyncio.wait({making})
            if not making.cancelled() and making.exception() is None and self._spine is not None:
                await making.result().dismiss(self._spine)
        self._lease.decline()
        self._spine = None
        self._wake, self._context_of = _nothing, _no_context

    @property
    def _ready(self) -> bool:
        return self._making is not None and self._making.done()

    def _offered(self) -> None:
        """Something was offered: make it, unless something else is being made."""
        if self._making is not None or (pipeline := self._lease.take()) is None:
            return
        self._asked_at = self._now()
        self._making = asyncio.create_task(self._make(pipeline), name="make a candidate")
        self._making.add_done_callback(lambda _: self._wake())

    async def _make(self, pipeline: LoadedPipeline) -> "_Candidates":
        assert self._spine is not None
        stages = pipeline.create_stages(structs.replace(self._context_of(pipeline), begins=False))
        ear = None if same_ear(self._lease.pipeline, pipeline) else stages.ear
        candidates = _Candidates(pipeline, keeps_ear=ear is None)
        try:
            if ear is not None:
                candidates.ear = await self._spine.ear.candidate(ear, timeout_s=READY_S)
            candidates.mind = await self._spine.mind.candidate(stages.mind, timeout_s=READY_S)
        except BaseException:
            with contextlib.suppress(Exception):
                await candidates.dismiss(self._spine)
            raise
        return candidates

    def _tell_transport(self, former: LoadedPipeline, now: LoadedPipeline) -> None:
        if not isinstance(self._transport, TakesAnotherEar):
            return
        if now.ingress_vad is not former.ingress_vad:
            self._transport.set_vad(now.ingress_vad)
        self._transport.set_continuous(now.hears_continuously)


def _no_context(*_: object) -> CallContext:
    """Nothing is made for a call that is over."""
    raise RuntimeError("the call is over")


def _nothing() -> None:
    """Whom it was to wake is gone."""


class _Candidates:
    """What is to take the place of ear and mind; an ear that is the same stays."""

    def __init__(self, pipeline: LoadedPipeline, *, keeps_ear: bool) -> None:
        self.pipeline = pipeline
        self.keeps_ear = keeps_ear
        self.ear: Candidate | None = None
        self.mind: Candidate | None = None

    async def take_over(self, spine: Spine, former: LoadedPipeline) -> None:
        """Both or none, with what the stages of `former` know of the call.

        Raises SwapError, with the call as it was, when one of them cannot work any more. What cannot any more once the
        other has taken over fails as a stage of the call does.
        """
        waiting = self._waiting(spine)
        for _, candidate in waiting:
            candidate.require_usable()
        self.ear = self.mind = None
        if not self.pipeline.mind_hears:
            spine.mind_hears(False)
        for slot, candidate in waiting:
            if slot is spine.mind:
                # Before that a turn is the old mind's, which may want it in words.
                spine.mind_hears(self.pipeline.mind_hears)
            carry_over(former, slot, self.pipeline, candidate.segment.pipeline)
            await slot.exchange(candidate, timeout_s=LEAVE_S)
            if unusable := candidate.segment.unusable():
                log.warning("what took over cannot work any more", stages=unusable)

    async def dismiss(self, spine: Spine) -> None:
        """Let go of what has not taken over."""
        for slot, candidate in self._waiting(spine):
            await slot.dismiss(candidate, timeout_s=LEAVE_S)

    def _waiting(self, spine: Spine) -> list[tuple[HotSlot, Candidate]]:
        both = ((spine.ear, self.ear), (spine.mind, self.mind))
        return [(slot, candidate) for slot, candidate in both if candidate is not None]


def same_ear(one: LoadedPipeline, other: LoadedPipeline) -> bool:
    """Whether the ears of two pipelines hear alike: the same stages in the same places, prepared alike, one language.

    The detector is not of the ear's processors: another one is told to the transport.
    """
    return one.persona.language == other.persona.language and _shape(one.slots.ear, one) == _shape(
        other.slots.ear, other
    )


def _shape(graph: Graph, pipeline: LoadedPipeline) -> Any:
    if isinstance(graph, Single):
        stage = next(stage for stage in pipeline.stages if stage.checked.id == graph.id)
        if stage.role is Role.VAD:
            return None
        return stage.checked.factory.use, stage.checked.config, id(stage.held.value)
    return type(graph), [shape for part in graph.parts if (shape := _shape(part, pipeline)) is not None]
