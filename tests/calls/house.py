"""A whole house for a test: the real phone door, pipelines and supervisor, rung over loopback by the scripted switch.

    async with house(document(llm={"answers": ["At nine."]})) as home:
        call = await home.call(asks(SPEECH))

What is left of it is checked when the block ends: every call that was let in has its one record, nothing holds
a lease, and neither a task nor a socket outlives it.
"""

import asyncio
import gc
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, cast

from base.clock import SystemClock
from base.http import OutboundPolicy
from base.ids import CallId, TenantId
from base.secret import Secret
from control import memory
from control.daily_use import DailyUse
from control.dependencies import Room
from control.dependency_watch import ALL_IS_WELL
from control.peer import (
    CallResult,
    Codec,
    Dialed,
    Say,
    Script,
    Switch,
    WireEvent,
)
from control.peer.call import PeerCall
from control.peer.legs import Callees
from control.phone import PhoneDoor, PhoneOptions
from control.provider_rates import ProviderRates
from control.setting_values import endpoint_of
from control.tenant_limits import TenantLimits
from pipelines.calls import Call, CallRecord, Closed, LiveEvent, Opened
from pipelines.spool import Spool
from pipelines.supervisor import PipelineSupervisor, Swap
from processors.catalog import AnyFactory
from processors.factory import PrepareError, Workshop
from tenants.conversations import MemoryConversations
from tenants.directory import Directory
from tenants.document import parse_document
from tenants.named import ServerFacts
from tenants.publishing import publish
from tenants.revisions import MemoryRevisions
from tenants.signing import (
    NUMBER_VARIABLE,
    SIGNATURE_VARIABLE,
    TENANT_VARIABLE,
    new_key,
    sign,
)
from tests.calls.callers import NUMBER, SPEECH, TENANT
from tests.calls.leaks import nothing_left, open_sockets
from transports.freeswitch.call_unicast import UnicastOptions
from transports.freeswitch.esl_call import DoorCall
from transports.freeswitch.esl_server import DoorServer
from transports.freeswitch.media_server import MediaServer
from transports.freeswitch.peers import PeerSwitch

STORED_S = 5.0
STUTTER_S = 0.4
CALL_OVER_S = 12.0
"""The longest that a call's record may take after its caller was told the end: a stubborn stage is given up then."""


@dataclass(frozen=True)
class Rung:
    """A call that is over: what its caller measured, what was written down, what was told live."""

    result: CallResult
    found: CallRecord | None
    """The record; None for a call that was not let in."""
    events: tuple[LiveEvent, ...]
    voices_s: tuple[float, ...]
    """How long each voice was that the caller heard, in seconds."""
    folder: Path
    """The service's data, while the house stands."""
    voices: tuple[tuple[float, float], ...] = ()
    """When each unbroken sound began and ended for the caller (monotonic seconds)."""
    dialled: tuple[str, ...] = ()
    """Whom the service called beside, with the variables."""
    rang_at: float = 0.0
    """The first ring (monotonic seconds)."""
    variables: Mapping[str, str] = field(default_factory=dict)
    """The channel's, at its end."""

    @property
    def record(self) -> CallRecord:
        assert self.found is not None, f"no record: {self.result.ended_by} at door {self.result.door}"
        return self.found

    def said(self) -> list[tuple[str, str]]:
        """Who said what."""
        return [(turn.role, turn.text) for turn in self.record.turns]

    def heard(self) -> list[str]:
        """What the caller heard, by the record."""
        return [turn.text for turn in self.record.turns if turn.role == "assistant"]


def was_broken_off(rung: Rung, answer: str, word_s: float) -> None:
    """The first answer was silent soon after the caller spoke, and is recorded as far as it was heard."""
    stopped_ms = rung.result.turns[1].barge_in_ms
    assert stopped_ms is not None
    assert stopped_ms < 500
    broken = rung.record.turns[2]
    assert broken.interrupted
    assert answer.startswith(broken.text)
    assert 0 < len(broken.text.split()) * word_s < rung.voices_s[1] + 0.3


class WatchedLog:
    """The process's spool, and which calls it was told of."""

    def __init__(self, spool: Spool) -> None:
        self._spool = spool
        self.opened_calls: dict[CallId, Call] = {}
        self.records: dict[CallId, list[CallRecord]] = {}

    async def opened(self, call: Call) -> None:
        self.opened_calls[call.id] = call
        await self._spool.opened(call)

    async def closed(self, record: CallRecord) -> None:
        self.records.setdefault(record.call.id, []).append(record)
        await self._spool.closed(record)


@dataclass
class House:
    """A running service of one process, and the switch that rings it."""

    folder: Path
    keys: Any
    directory: Directory
    supervisor: PipelineSupervisor
    revisions: MemoryRevisions
    conversations: MemoryConversations
    log: WatchedLog
    stages: Mapping[str, AnyFactory] | None
    endpoints: Mapping[str, str]
    events: list[LiveEvent] = field(default_factory=list)
    served: dict[CallId, asyncio.Event] = field(default_factory=dict)
    """Set when the door is done with a call."""
    stored: dict[CallId, asyncio.Event] = field(default_factory=lambda: defaultdict(asyncio.Event))
    """Set when the row of a call is there."""
    daily_use: DailyUse = field(init=False)
    rates: ProviderRates = field(init=False)
    media_server: MediaServer = field(init=False)
    phone: PhoneDoor = field(init=False)
    door: DoorServer = field(init=False)
    switch: Switch = field(init=False)

    async def publish(self, raw: bytes, *, swap: Swap = "drain") -> int:
        """As an operator does; the number of the revision that answers from now on."""
        parsed = parse_document(raw, "test.yaml", self.stages, server=ServerFacts(endpoints=self.endpoints))
        return await publish(parsed, self.revisions, self.supervisor, self.directory, swap=swap)

    def dialed(
        self,
        number: str = NUMBER,
        *,
        tenant_id: TenantId = TENANT,
        variables: Mapping[str, str] | None = None,
    ) -> Dialed:
        """A call as the tenant's own dialplan hands it over; `variables` replace some of the signed ones."""
        signed = {
            TENANT_VARIABLE: tenant_id,
            NUMBER_VARIABLE: number,
            SIGNATURE_VARIABLE: sign(self.keys, tenant_id, number),
        }
        return Dialed(number=number, variables=signed | dict(variables or {}))

    def dial(
        self,
        script: Script,
        dialed: Dialed | None = None,
        *,
        on_event: Callable[[WireEvent], None] | None = None,
    ) -> PeerCall:
        """A call that has not rung yet; its caller can hang up at any moment."""
        return self.switch.dial(dialed or self.dialed(), script, on_event=on_event)

    async def ring(self, call: PeerCall, switch: Switch | None = None) -> Rung:
        """Play a call to its end, and wait until the service is done with it."""
        result = await (switch or self.switch).ring(call)
        call_id = CallId(result.call_id)
        if (served := self.served.get(call_id)) is not None:
            async with asyncio.timeout(CALL_OVER_S):
                await served.wait()
        events = tuple(event for event in self.events if _call_of(event) == call_id)
        return Rung(
            result,
            await self._stored(call_id),
            events,
            _voices_s(call),
            self.folder,
            voices=tuple((voice.start, voice.end) for voice in call.media.ears.voices),
            dialled=tuple(call.machine.legs.dialled),
            rang_at=call.media.began,
            variables=call.machine.channel.variables.as_dict(),
        )

    async def call(self, script: Script, dialed: Dialed | None = None) -> Rung:
        """Dial, play, and wait until the service is done with it."""
        return await self.ring(self.dial(script, dialed))

    async def on_call(self, line: DoorCall) -> None:
        """What the door server is given: the phone door, and a note of when it is done."""
        served = self.served.setdefault(line.hello.call_id, asyncio.Event())
        served.clear()  # it may have been here before
        try:
            await self.phone.on_call(line)
        finally:
            served.set()

    async def _stored(self, call_id: CallId) -> CallRecord | None:
        """The row, once it is there; calls that were let in have one."""
        call = self.log.opened_calls.get(call_id)
        if call is None:
            return None
        async with asyncio.timeout(STORED_S):
            await self.stored[call_id].wait()
        return await self.conversations.get(call.tenant_id, call_id)

    def check(self) -> None:
        """Every call that was let in has one record, whose end was told once."""
        assert self.phone.live_calls == 0
        assert self.supervisor.live_calls == 0, self.supervisor.status()
        assert self.log.opened_calls.keys() == self.log.records.keys()
        assert all(len(records) == 1 for records in self.log.records.values())
        talked = [event.call.id for event in self.events if isinstance(event, Opened)]
        assert sorted(talked) == sorted(event.record.call.id for event in self.events if isinstance(event, Closed))


def _voices_s(call: PeerCall) -> tuple[float, ...]:
    """How long each voice was; a stutter of a busy machine does not make two of one."""
    voices: list[tuple[float, float]] = []
    for voice in call.media.ears.voices:
        if voices and voice.start - voices[-1][1] < STUTTER_S:
            voices[-1] = (voices[-1][0], voice.end)
        else:
            voices.append((voice.start, voice.end))
    return tuple(end - start for start, end in voices)


def _call_of(event: LiveEvent) -> CallId:
    if isinstance(event, Opened):
        return event.call.id
    return event.record.call.id if isinstance(event, Closed) else event.call_id


@asynccontextmanager
async def house(
    *documents: bytes,
    stages: Mapping[str, AnyFactory] | None = None,
    options: PhoneOptions | None = None,
    unicast: UnicastOptions | None = None,
    record: bool = False,
    drain_timeout_s: float = 5.0,
    callees: Callees | None = None,
    files: Mapping[str, float] | None = None,
    switches: Sequence[PeerSwitch] = (PeerSwitch(),),
    room: Callable[[], Room] = lambda: ALL_IS_WELL,
    monotonic: Callable[[], float] | None = None,
    endpoints: Mapping[str, str] | None = None,
    tenant_calls: int = 0,
) -> AsyncIterator[House]:
    """The service with these tenants, on a free port; `stages` go before the catalog's when given.

    `monotonic` is the clock of what providers are asked within a minute; `endpoints` are URLs that documents name.
    """
    tasks, sockets = asyncio.all_tasks(), open_sockets()
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="atende-calls-")))
        conversations, clock = MemoryConversations(), SystemClock()

        async def store(record: CallRecord) -> None:
            await conversations.store(record.call.tenant_id, record)
            home.stored[record.call.id].set()

        spool = await stack.enter_async_context(Spool(folder / "spool", store, clock))
        supervisor = PipelineSupervisor(workshop(folder, endpoints or {}), stages, tenant_calls=tenant_calls)
        stack.push_async_callback(supervisor.close)
        home = House(
            folder=folder,
            keys=(new_key(),),
            directory=Directory(),
            supervisor=supervisor,
            revisions=MemoryRevisions(clock),
            conversations=conversations,
            log=WatchedLog(spool),
            stages=stages,
            endpoints=endpoints or {},
        )
        home.daily_use = DailyUse(conversations, clock)
        home.rates = ProviderRates(monotonic or clock.monotonic)
        home.media_server = await stack.enter_async_context(MediaServer("127.0.0.1", 0))
        if record:
            options = PhoneOptions(recordings_dir=folder / "recordings")
        home.phone = PhoneDoor(
            keys=home.keys,
            directory=home.directory,
            supervisor=supervisor,
            call_log=home.log,
            feed=home.events.append,
            clock=clock,
            options=options or PhoneOptions(),
            media_server=home.media_server,
            limits=TenantLimits(home.rates, home.daily_use),
            room=room,
        )
        home.door = DoorServer("127.0.0.1", 0, home.on_call, unicast=unicast, switches=switches)
        await home.door.start()
        stack.push_async_callback(home.door.close, drain_timeout_s)
        stack.callback(home.phone.shut)
        for raw in documents:
            await home.publish(raw)
        host, port = home.door.address
        home.switch = await stack.enter_async_context(Switch(host, port, callees=callees, files=files))
        for codec in Codec:
            # The first use of a codec imports and computes tables: not while calls are measured.
            home.dial(Script(steps=(Say(SPEECH),), codec=codec))
        memory.settle()
        stack.callback(gc.unfreeze)
        yield home
        home.check()
    await nothing_left(tasks, sockets)
    home.check()


def workshop(folder: Path, endpoints: Mapping[str, str] | None = None) -> Workshop:
    """Lends what mock stages and the packaged detector need: nothing. Models are asked at these endpoints alone."""
    nothing = cast(Any, None)
    return Workshop(
        clock=SystemClock(),
        models=_NoModels(),
        library=nothing,
        data_dir=folder,
        secret=_no_secret,
        compute=nothing,
        outbound=OutboundPolicy(allow=frozenset(map(endpoint_of, (endpoints or {}).values()))),
    )


class _NoModels:
    """No model files: the detector comes in pipecat's package."""

    def path(self, model: str) -> Path:
        raise PrepareError(f"{model} is not here")


async def _no_secret(_tenant_id: TenantId, name: str) -> Secret:
    raise PrepareError(f"no secret {name!r}")
