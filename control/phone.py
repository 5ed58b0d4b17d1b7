"""The phone door: where a wire meets a pipeline.

A call is let in only on a signed tenant and number; what is refused stays unanswered and goes on in the
dialplan at `door_<name>`. A call that is let in is answered, heard and recorded until the session ends it
or the caller does; whatever happens, its row says why.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import structlog
from msgspec import Struct, structs

from base.clock import Clock
from base.ids import CallId, TenantId
from control.admission import Admission, RefusedError, Why
from control.attendant import Attendant
from control.dependencies import Room
from control.dependency_watch import ALL_IS_WELL
from control.headroom import Bounds, Full, Headroom
from control.line import TALKING, CompanyLine, as_it_runs, note
from control.live_sessions import LiveSessions
from control.provider_rates import ProviderRates
from control.recordings import Recordings
from control.records import RecordKeeper, failed
from control.refusals import Refusals
from control.returns import (
    MAX_MESSAGES,
    CallHereError,
    Conversation,
    Conversations,
    LiveCall,
    LiveCalls,
    Ticket,
    record_id,
)
from control.tenant_limits import TenantLimits
from control.wires import open_media
from pipelines.calls import Call, CallLog, CallRecord, LiveFeed, Underrun, without_words
from pipelines.hold_music import HoldMusic
from pipelines.leases import Lease
from pipelines.loaded import LoadedPipeline
from pipelines.outcomes import outcome_of
from pipelines.routes import caller_key
from pipelines.session import CallSession
from pipelines.spending import Spending
from pipelines.supervisor import AssistantUnknownError, CapacityError, PipelineSupervisor, TenantUnknownError
from pipelines.timeline import Timeline
from processors.factory import PrepareError
from tenants.directory import Destination, Directory
from tenants.signing import NUMBER_VARIABLE, KeyRing
from transports.clock import MediaClock
from transports.freeswitch.errors import CallEndedError, MediaUnavailableError, PhoneTimeoutError
from transports.freeswitch.esl_call import DoorCall
from transports.freeswitch.media_server import MediaServer
from transports.freeswitch.renewed import RenewedWire
from transports.freeswitch.transport import FreeSwitchTransport
from transports.freeswitch.words import DoorName, Wire
from transports.lateness import Lateness

log = structlog.get_logger()


class NotLoadedError(Exception):
    """The tenant's revision is not there (yet)."""


Warm = Callable[[TenantId], Awaitable[None]]


class PhoneOptions(Struct, frozen=True, kw_only=True):
    """How the phone door treats calls."""

    bounds: Bounds = Bounds()
    """Calls are taken within these."""
    recordings_dir: Path | None = None
    """None: nothing is recorded."""
    wire: Wire = "unicast"
    """How the audio comes where neither the dialplan nor the call's switch says."""
    switch_wires: Mapping[str, Wire] = {}
    """How it comes from switches that have a wire of their own, by their names."""
    hold_music: HoldMusic | None = None
    """What callers hear while a person is called for them; None: a ringing tone."""
    answer_timeout_s: float = 5.0
    keep_timeout_s: float = 10.0
    """How long a call's end waits for a disk that hangs; the record is kept trying to be written behind it."""


@dataclass(frozen=True, slots=True)
class _Taken:
    """A call that was let in, and what it runs on."""

    live: LiveCall
    call: Call
    lease: Lease
    domain: str
    before: Conversation | None
    timeline: Timeline
    spending: Spending


class PhoneDoor:
    """Answers calls. One per process; `on_call` is what the door server calls.

    Closing order: `shut` lets no further call in and ends live ones with a word to the dialplan; then the
    door server is closed.
    """

    def __init__(
        self,
        *,
        keys: KeyRing,
        directory: Directory,
        supervisor: PipelineSupervisor,
        call_log: CallLog,
        feed: LiveFeed,
        clock: Clock,
        options: PhoneOptions,
        media_server: MediaServer | None = None,
        warm: Warm | None = None,
        limits: TenantLimits | None = None,
        room: Callable[[], Room] = lambda: ALL_IS_WELL,
    ) -> None:
        """Without a `media_server` there is no wire but unicast. `warm` has a tenant loaded that is not yet: it returns
        when it is, and raises PrepareError or TimeoutError. Without `limits` nobody counts what the calls
        of a day take. `room` says what the disk has room for.
        """
        self._warm = warm
        self.limits: Final = limits or TenantLimits(ProviderRates(clock.monotonic))
        self._room = room
        self._media_server = media_server
        self._admission = Admission(
            keys,
            directory,
            wire=options.wire,
            switch_wires=options.switch_wires,
            media_sockets=media_server is not None,
        )
        self._supervisor = supervisor
        self._recordings = Recordings(options.recordings_dir, room)
        self._records = RecordKeeper(call_log, options.keep_timeout_s)
        self._feed = feed
        self._clock = clock
        self._options = options
        self.media_clock: Final = MediaClock()
        self.headroom: Final = Headroom(options.bounds)
        """Whoever looks at the clock and the lanes of threads tells it what he saw."""
        self._live = LiveCalls()
        self._conversations = Conversations(clock.monotonic)
        self._sessions = LiveSessions()
        self._let_in = 0
        self._shut = self.draining = False
        """Draining: live calls go on, and no other is let in."""
        self._refusals = Refusals(clock.monotonic)

    @property
    def live_calls(self) -> int:
        """Calls that have been let in and have not ended."""
        return self._let_in

    @property
    def refused(self) -> Mapping[tuple[str, str], int]:
        """Calls that were not let in, by the door at which their dialplans went on, and by reason."""
        return self._refusals.counts

    def refusal_of(self, call_id: CallId) -> str | None:
        """Why the call was refused, where it was the last that was."""
        latest = self._refusals.latest
        return latest[1] if latest is not None and latest[0] == call_id else None

    @property
    def full(self) -> Full | None:
        """Why there is no room for a call more; None: there is."""
        return self.headroom.full(self._let_in)

    @property
    def takes_calls(self) -> bool:
        """Whether one more would be let in, as far as it is this process's to say."""
        return not (self._shut or self.draining) and self.full is None and self._room().calls

    @property
    def clock_lateness(self) -> Lateness:
        """The media clock's, of the last 5 to 10 seconds."""
        return self.media_clock.recent()

    def drain(self) -> None:
        """Let nobody in any more; live calls go on. Idempotent, never waits."""
        self.draining = True

    def take_leave(self) -> None:
        """Every live call ends with a word to the caller, and goes back to its dialplan. Never waits."""
        self._sessions.take_leave()

    def shut(self) -> None:
        """Let nobody in any more; every live call goes back to its dialplan. Idempotent, never waits."""
        self._shut = True
        self._sessions.end("shutdown")

    def say(self, tenant_id: TenantId, call_id: CallId, text: str) -> bool:
        """See LiveSessions, as of `hang_up` and `transfer`."""
        return self._sessions.say(tenant_id, call_id, text)

    def hang_up(self, tenant_id: TenantId, call_id: CallId) -> bool:
        return self._sessions.hang_up(tenant_id, call_id)

    def transfer(self, tenant_id: TenantId, call_id: CallId, number: str) -> bool:
        return self._sessions.transfer(tenant_id, call_id, number)

    async def settled(self, timeout_s: float) -> None:
        """Wait for records that are still being written."""
        await self._records.settled(timeout_s)

    async def on_call(self, line: DoorCall) -> None:
        """One call, from its first word to its record; or a connection by which a live call goes on."""
        timeline = Timeline(self._clock.monotonic)
        try:
            ticket = self._admission.ticket(line)
            if not await self._live.served(ticket, line):
                self._require_open(ticket)
                destination = self._admission.destination(line, ticket)
                if not self._conversations.expects(ticket):
                    _require(self.headroom.full(self._let_in, lanes=()))
                    self.limits.require_the_days(destination)
                with self._live.enter(ticket, line) as live:
                    await self._lease(live, destination, timeline)
        except CallHereError as error:
            await self._refuse(line, RefusedError(str(error), DoorName.FAILED, "here_already"))
        except RefusedError as refusal:
            await self._refuse(line, refusal)

    async def _refuse(self, line: DoorCall, refusal: RefusedError) -> None:
        self._refusals.note(line.hello.call_id, refusal)
        await line.refuse(refusal.door)

    def _require_open(self, ticket: Ticket) -> None:
        comes_back = not self._shut and self._conversations.expects(ticket)
        if (self._shut or self.draining) and not comes_back:  # a conversation that was begun goes on here or nowhere
            raise RefusedError("no further call is taken: the service is being stopped", DoorName.BUSY, "draining")
        if not self._room().calls:
            raise RefusedError("there is no room for another call's record", DoorName.BUSY, "disk")

    async def _lease(self, live: LiveCall, destination: Destination, timeline: Timeline) -> None:
        self._let_in += 1
        try:
            tenant_id = destination.tenant.tenant_id
            await self._loaded(tenant_id)
            caller = caller_key(live.line.hello.caller_number, live.ticket.call_id)
            async with self._supervisor.lease(tenant_id, destination.assistant, caller=caller) as lease:
                if not self._conversations.expects(live.ticket):
                    # The call itself is counted already.
                    _require(self.headroom.full(self._let_in - 1, lanes=lease.pipeline.lanes))
                timeline.note("admitted")
                before = self._conversations.take(live.ticket)
                call = self._call(live, destination, lease.pipeline, before)
                domain = destination.tenant.domain
                with self.limits.call(destination, lease) as spending:
                    await self._converse(_Taken(live, call, lease, domain, before, timeline, spending))
        except CapacityError as error:
            why: Why = "draining" if error.by == "closing" else error.by
            raise RefusedError(str(error), DoorName.BUSY, why) from error
        except (TenantUnknownError, AssistantUnknownError) as error:
            raise RefusedError(str(error), DoorName.FAILED, "unknown") from error
        except NotLoadedError as error:
            raise RefusedError(str(error), DoorName.BUSY, "not_loaded") from error
        finally:
            self._let_in -= 1

    async def _loaded(self, tenant_id: TenantId) -> None:
        """Raises NotLoadedError."""
        if self._warm is None:
            return
        try:
            await self._warm(tenant_id)
        except PrepareError as error:
            raise NotLoadedError(f"the tenant could not be loaded: {error}") from error
        except TimeoutError as error:
            raise NotLoadedError("the tenant is still being loaded") from error

    def _call(
        self, live: LiveCall, destination: Destination, loaded: LoadedPipeline, before: Conversation | None
    ) -> Call:
        line, hello = live.line, live.line.hello
        return Call(
            id=record_id(hello, before, again=live.again),
            tenant_id=destination.tenant.tenant_id,
            tenant_slug=destination.tenant.slug,
            assistant=destination.assistant,
            number=hello.variables.get(NUMBER_VARIABLE, ""),
            caller=hello.caller_number,
            revision=loaded.revision.number,
            language=loaded.persona.language,
            switch=line.switch,
            opened_at=self._clock.now(),
        )

    async def _converse(self, taken: _Taken) -> None:
        """Answer and talk; a record is kept whatever happens."""
        live, call, lease, timeline = taken.live, taken.call, taken.lease, taken.timeline
        with structlog.contextvars.bound_contextvars(call=call.id, tenant=call.tenant_id):
            opening, begun_on = self._records.open(call), lease.pipeline.revision
            record = failed(call, "failure", self._clock.now())
            tried = True
            try:
                record = await self._talk(taken)
            except CallEndedError:
                cause = live.line.hangup_cause
                record = failed(call, "caller_hangup" if cause else "lost", self._clock.now(), cause=cause)
            except (MediaUnavailableError, PhoneTimeoutError) as error:
                log.warning("a call could not be answered", error=str(error))
                tried = False  # the telephone's fault: it says nothing of the revision
                record = failed(call, "failure", self._clock.now(), error=str(error))
                await _give_up(live.line, as_it_runs(call, lease), timeline)
            except asyncio.CancelledError:
                record = failed(call, "shutdown", self._clock.now())
                raise
            except Exception as error:
                record = failed(call, "failure", self._clock.now(), error=repr(error))
                # The caller first: what is written down can wait, and the disk may be what failed.
                await _give_up(live.line, as_it_runs(call, lease), timeline)
                raise
            finally:
                self._live.leave(live)
                if tried:
                    failure = lease.pipeline.persona.texts.get("failure", "")
                    self._supervisor.count(
                        lease,
                        outcome_of(record, failure, lease.stage_errors, lease.held_requests, held_last=lease.held_last),
                    )
                timeline.ended(record.end_reason)
                spent = taken.spending
                record = structs.replace(record, timeline=timeline.moments, cost_usd=spent.cost_usd, usage=spent.usage)
                if not (begun_on.keeps.words and lease.pipeline.revision.keeps.words):
                    record = without_words(record, record.ended_at)
                await self._records.keep(opening, record)

    async def _talk(self, taken: _Taken) -> CallRecord:
        live, call, lease, before, timeline = taken.live, taken.call, taken.lease, taken.before, taken.timeline
        loaded = lease.pipeline
        line, answer_timeout_s = live.line, self._options.answer_timeout_s
        asked = self._admission.wire_of(line)
        wire = RenewedWire(await open_media(line, asked, self._media_server, answer_timeout_s, timeline.note))
        note(line, call, TALKING)
        company = CompanyLine(live, call, lease, taken.domain)
        async with aclosing(company), self._recordings.of(call, loaded, wire.sample_rate) as recording:
            transport = FreeSwitchTransport(
                wire,
                clock=self.media_clock,
                vad=loaded.ingress_vad,
                tap=recording,
                continuous=loaded.hears_continuously,
                send_text=live.send_text,
                on_underrun=lambda silent_ms: self._feed(Underrun(call_id=call.id, silent_ms=silent_ms)),
            )
            session = CallSession(
                call,
                lease,
                transport,
                company,
                self._feed,
                self._clock,
                sample_rate=wire.sample_rate,
                recording=None if recording is None else self._recordings.name(call),
                hold_music=self._options.hold_music,
                before=None if before is None else before.messages,
                timeline=timeline,
                spending=taken.spending,
            )
            with self._sessions.live(call, session):
                record = await self._run(live, session, transport, wire)
        if company.comes_back:
            self._conversations.keep(live.ticket, Conversation(call.id, session.messages[-MAX_MESSAGES:]))
        if recording is not None and recording.error:
            # The record names the file: it has to say, too, that the file is not whole.
            errors = (*record.errors, f"the recording is not whole: {recording.error}")
            record = structs.replace(record, errors=errors)
        return record

    async def _run(
        self, live: LiveCall, session: CallSession, transport: FreeSwitchTransport, wire: RenewedWire
    ) -> CallRecord:
        if self._shut:
            session.end("shutdown")
        attendant = Attendant(live, session, transport, wire, self._media_server)
        listening = asyncio.create_task(attendant.attend(), name="phone events")
        try:
            return await session.run()
        finally:
            listening.cancel()
            await asyncio.gather(listening, return_exceptions=True)
            transport.close()
            wire.close()


def _require(full: Full | None) -> None:
    """Raises RefusedError."""
    if full is not None:
        raise RefusedError(f"full: {full.told}", DoorName.BUSY, full.by)


async def _give_up(line: DoorCall, call: Call, timeline: Timeline) -> None:
    """Something of ours broke: the dialplan goes on."""
    timeline.note("given_back", DoorName.FAILED.value)
    note(line, call, "failure")
    await line.give_back(DoorName.FAILED)
