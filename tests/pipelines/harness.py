"""A call with mock stages on a wire in memory."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, cast

from pipecat.processors.aggregators.llm_context import LLMContextMessage

from base.clock import Clock
from base.ids import AssistantName, CallId, TenantId
from base.secret import Secret
from pipelines.calls import Call, CallRecord, LiveEvent, Said
from pipelines.revision import PipelineRevision
from pipelines.session import CallSession, SessionLimits
from pipelines.spec import AssistantSpec, LimitsSpec, ProcessorSpec, TextsSpec, TurnSpec
from pipelines.supervisor import PipelineSupervisor, Swap
from processors.catalog import AnyFactory
from processors.factory import Workshop
from tests.pipelines.transport import MemoryTransport
from tests.pipelines.virtual import LoopClock

TENANT = TenantId("0f0f0f0f-0000-4000-8000-000000000001")
FRONT = AssistantName("front")
TEXTS = TextsSpec(
    greeting="Welcome to us",
    farewell="Good bye then",
    reprompt="Are you there",
    not_understood="Say again please",
    failure="Something went wrong",
)
LIMIT = "We have reached the time limit for this call. Thank you for calling. Goodbye!"


def workshop(clock: Clock | None = None) -> Workshop:
    """Lends nothing: mock stages need nothing."""

    async def secret(tenant_id: TenantId, name: str) -> Secret:
        raise AssertionError("no stage here has secrets")

    nothing = cast(Any, None)
    return Workshop(
        clock=clock or LoopClock(), models=nothing, library=nothing, data_dir=Path(), secret=secret, compute=nothing
    )


def pipeline(**configs: dict[str, Any]) -> tuple[ProcessorSpec, ...]:
    return tuple(
        ProcessorSpec(id=kind, use=f"{kind}.mock", config=configs.get(kind, {}))
        for kind in ("vad", "stt", "llm", "tts")
    )


def assistant(
    *, limits: LimitsSpec | None = None, turn: TurnSpec | None = None, **configs: dict[str, Any]
) -> AssistantSpec:
    return AssistantSpec(
        name=FRONT,
        numbers=("100",),
        texts=TEXTS,
        limits=limits or LimitsSpec(),
        turn=turn or TurnSpec(),
        pipeline=pipeline(**configs),
    )


def speech_to_speech(turn: TurnSpec | None = None, limits: LimitsSpec | None = None, **config: object) -> AssistantSpec:
    """An assistant whose mind hears and speaks by itself; `config` is its stage's."""
    return AssistantSpec(
        name=FRONT,
        numbers=("100",),
        texts=TEXTS,
        turn=turn or TurnSpec(wait_s=0.4),
        limits=limits or LimitsSpec(),
        pipeline=(
            ProcessorSpec(id="vad", use="vad.mock", config={}),
            ProcessorSpec(id="mind", use="realtime.mock", config=config),
        ),
    )


def revision(*assistants: AssistantSpec, number: int = 1, tenant_id: TenantId = TENANT) -> PipelineRevision:
    return PipelineRevision(
        tenant_id=tenant_id,
        slug="us",
        company="Us",
        language="en",
        number=number,
        digest=f"{number:064x}",
        assistants=assistants,
    )


def a_call(opened_at: datetime, *, revision: int = 1) -> Call:
    """A call that somebody has let in."""
    return Call(
        id=CallId("c1"),
        tenant_id=TENANT,
        tenant_slug="us",
        assistant=FRONT,
        number="100",
        caller="+5511999990000",
        revision=revision,
        language="en",
        opened_at=opened_at,
    )


class Line:
    """The caller's leg; remembers what was asked of it."""

    def __init__(self, *, breaks: bool = False, hangs: bool = False) -> None:
        self.asked: list[str] = []
        self.noted: list[str] = []
        self.told: list[str] = []
        self._breaks = breaks
        self._hangs = hangs

    async def hang_up(self) -> None:
        await self._ask("hang_up")

    async def give_back(self, door: str) -> None:
        await self._ask(door)

    async def transfer(self, number: str) -> None:
        await self._ask(f"transfer {number}")

    def note(self, outcome: str) -> None:
        self.noted.append(outcome)

    def changed_over(self) -> None:
        self.noted.append("changed over")

    def tell(self, text: str) -> None:
        self.told.append(text)

    async def connect(self, extension: str, ring_s: int) -> str:
        self.asked.append(f"connect {extension}")
        return await self.connecting(ring_s)

    async def connecting(self, ring_s: int) -> str:
        """What becomes of it; replace it."""
        await asyncio.sleep(ring_s)
        return "NO_ANSWER"

    async def _ask(self, verb: str) -> None:
        self.asked.append(verb)
        if self._hangs:
            await asyncio.Event().wait()
        if self._breaks:
            raise ConnectionError("no such line")


class Ringing:
    """A call under way: act as its caller, then await `record`."""

    def __init__(self, session: CallSession, transport: MemoryTransport, line: Line, events: list[LiveEvent]) -> None:
        self.session = session
        self.caller = transport.caller
        self.player = transport.player
        self.line = line
        self.events = events
        self.supervisor: PipelineSupervisor
        self.began = asyncio.get_running_loop().time()
        self._task: asyncio.Task[CallRecord] | None = None

    def answer(self) -> None:
        self._task = asyncio.create_task(self.session.run())

    async def record(self, limit_s: float = 3600.0) -> CallRecord:
        assert self._task is not None
        async with asyncio.timeout(limit_s):
            return await self._task

    async def publish(self, spec: AssistantSpec, number: int, *, swap: Swap = "turn") -> None:
        """Another revision of the tenant's document answers from now on."""
        self.supervisor.activate(await self.supervisor.load(revision(spec, number=number)), swap=swap)

    def said(self) -> list[str]:
        return [event.text for event in self.events if isinstance(event, Said)]

    def now(self) -> float:
        return asyncio.get_running_loop().time() - self.began

    async def until(self, seconds: float) -> None:
        """Wait until so long after the call began."""
        await asyncio.sleep(max(0.0, seconds - self.now()))


@asynccontextmanager
async def ringing(
    spec: AssistantSpec,
    line: Line | None = None,
    *,
    transport: MemoryTransport | None = None,
    before: Sequence[LLMContextMessage] | None = None,
    stages: Mapping[str, AnyFactory] | None = None,
) -> AsyncIterator[Ringing]:
    """A call that has been answered; at the end of the block everything is closed."""
    supervisor = PipelineSupervisor(workshop(), stages)
    supervisor.activate(await supervisor.load(revision(spec)))
    transport = transport or MemoryTransport()
    try:
        async with supervisor.lease(TENANT, FRONT) as lease:
            call = a_call(LoopClock().now())
            events: list[LiveEvent] = []
            session = CallSession(
                call,
                lease,
                transport,
                line := line or Line(),
                events.append,
                LoopClock(),
                sample_rate=8000,
                limits=SessionLimits(teardown_timeout_s=3.0),
                before=before,
            )
            ring = Ringing(session, transport, line, events)
            ring.supervisor = supervisor
            ring.answer()
            try:
                yield ring
            finally:
                session.end("shutdown")
                await ring.record()
    finally:
        await supervisor.close()
