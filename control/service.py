"""A running service as its commands see it."""

import asyncio
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import chain, repeat

from pipecat.processors.frame_processor import FrameProcessor

from base.clock import Clock
from base.ids import CallId, TenantId
from base.secret import Secret
from control import dependencies
from control.dependencies import Dependency
from control.dependency_watch import DependencyWatch
from control.documents import WithDocuments
from control.event_feed import EventFeed
from control.headroom import LANES
from control.health import ReadyView, ScrapeTarget, TenantHealth
from control.jobs.desk import JobDesk
from control.live_board import LiveBoard
from control.metrics import Metrics, Present
from control.phone import PhoneDoor
from control.settings import Settings
from control.tenant_rows import rows_of
from control.tracing import Traces
from control.workers.everywhere import Everywhere, Neighbours
from control.workers.node_key import NodeDoor, node_key
from control.workers.presence import Present as Presently
from control.workers.presence import Told, told_of
from control.workers.seat import ALL, Seat
from control.workers.telling import MAX_PROBLEM_CHARS, failures, health_of, targets_of, twin_of
from knowledge.retrieval import TenantLibrary
from pipelines.calls import CallRecord
from pipelines.loaded import LoadedRevision
from pipelines.spool import Spool
from pipelines.supervisor import PipelineSupervisor
from processors.served.client import ServedModels
from tenants.api_key_store import ApiKeyStore
from tenants.audit_store import AuditLog
from tenants.conversations import ConversationStore
from tenants.directory import Directory
from tenants.event_store import EventStore
from tenants.folder import TenantFolder
from tenants.idempotency_store import IdempotencyStore
from tenants.key_checker import KeyChecker
from tenants.leases import ProcessRow
from tenants.operating import Publishing
from tenants.secret_desk import SecretDesk
from tenants.signing import KeyRing
from tenants.statuses import TenantStatus
from transports.freeswitch.esl_server import DoorServer


@dataclass(frozen=True)
class ApiKeys:
    """Who may use the REST API."""

    store: ApiKeyStore
    pepper: Secret
    """What keys are digested with."""
    checker: KeyChecker


@dataclass(frozen=True)
class Service:
    """Everything that a command may look at. Whoever opened it closes it."""

    settings: Settings
    clock: Clock
    keys: KeyRing
    """What signs the dialplan's variables."""
    api_keys: ApiKeys
    audit: AuditLog
    secrets: SecretDesk[LoadedRevision]
    idempotency: IdempotencyStore
    events: EventStore
    feed: EventFeed
    watch: DependencyWatch
    directory: Directory
    supervisor: PipelineSupervisor
    conversations: ConversationStore
    phone: PhoneDoor
    board: LiveBoard
    metrics: Metrics
    door: DoorServer | None
    """None: other processes take the calls."""
    call_log: Spool
    folder: TenantFolder[LoadedRevision]
    documents: WithDocuments
    library: TenantLibrary
    publishing: Publishing[LoadedRevision]
    jobs: JobDesk
    traces: Traces | None = None
    seat: Seat = ALL
    served: ServedModels | None = None
    """The server that has the models; None: this process has them."""
    neighbours: Neighbours | None = None
    """The processes that share the tenants; None: it is alone."""

    @cached_property
    def node_door(self) -> NodeDoor:
        """Which requests are of other processes, and for this one. There are none where it is alone."""
        me = "" if self.neighbours is None else self.neighbours.presence.me.id
        return NodeDoor(node_key(self.api_keys.pepper), me)

    @property
    def key_checker(self) -> KeyChecker:
        """Which API keys open."""
        return self.api_keys.checker

    @property
    def live_calls(self) -> int:
        """Of this process."""
        return self.phone.live_calls

    def blame(self, processor: FrameProcessor, error: str) -> None:
        """A live call's processor did something wrong that it did not report itself."""
        self.supervisor.blame(processor, error)

    def take_leave(self) -> None:
        """Callers are told that their calls cannot go on."""
        self.phone.take_leave()

    @property
    def calls(self) -> Everywhere:
        """Live calls, wherever they are."""
        return Everywhere(self.board, self.phone, self.neighbours)

    @property
    def tenants(self) -> tuple[TenantStatus, ...]:
        """How each document fares."""
        return self.folder.statuses

    @property
    def address(self) -> tuple[str, int]:
        """Where FreeSWITCH's `socket` action finds us."""
        if self.door is None:
            return self.settings.esl_host, self.settings.esl_port
        return self.door.address

    def drain(self, *, others: bool = False) -> None:
        """No further call is let in. Where `others` take calls, as other nodes always do, they get those that come:
        this process leaves the door; where none does, who comes is told that we are busy.
        """
        self.phone.drain()
        self.feed.drain()
        if self.door is not None and (others or self.settings.tenants == "database"):
            self.door.leave()
        if self.neighbours is not None:
            self.neighbours.presence.news()

    def rendering(self) -> tuple[int, int]:
        """Sentences rendered ahead, and how many there are to be."""
        active = [status for status in self.supervisor.status() if status.state == "active"]
        return sum(s.rehearsed for s in active), sum(s.to_rehearse for s in active)

    async def rehearsed(self) -> None:
        """Return when everything that may be said word for word is rendered, or has failed to be."""
        await self.supervisor.rehearsed()

    async def stored(self, tenant_id: TenantId, call_id: CallId, timeout_s: float) -> CallRecord:
        """The record of a finished call, once it is in the database. Raises TimeoutError."""
        async with asyncio.timeout(timeout_s):
            for pause_s in chain((0.05, 0.1), repeat(0.25)):
                if (record := await self.conversations.get(tenant_id, call_id)) is not None:
                    return record
                await asyncio.sleep(pause_s)
        raise TimeoutError

    async def scraped(self) -> bytes:
        """The metrics of this process, in Prometheus' text format."""
        stage_errors = await self.supervisor.listing.stage_errors()
        stored = {one.name: one for one in self.watch.found}
        full = self.phone.full
        now = Present(
            live_calls=self.phone.live_calls,
            max_calls=self.settings.max_calls if self.seat.takes_calls else None,
            taking_calls=self.door is not None and not self._readiness_problems() if self.seat.takes_calls else None,
            full_by=None if full is None else full.by,
            loop_load=self.phone.headroom.loop_load,
            lanes={lane: self.phone.headroom.lane(lane, self.phone.live_calls) for lane in LANES},
            tenants=self.states(),
            stage_errors=stage_errors,
            refused=self.phone.refused,
            held_requests=self.phone.limits.held_requests,
            missed_retrievals={"failed": self.library.failed, "late": self.library.late},
            clock=self.phone.clock_lateness,
            models_mb=self.supervisor.weight_mb,
            revisions=self.supervisor.listing.revisions(),
            turnover=self.supervisor.turnover,
            queues=self._queues(),
            traces_dropped=0 if self.traces is None else self.traces.dropped,
            lost_calls=0 if self.neighbours is None else self.neighbours.presence.lost_calls,
            spool=stored.get("spool"),
            disk=stored.get("disk"),
            database=stored.get("database"),
            model_server=None if self.served is None else not self.served.away,
            event_streams=self.feed.streams,
        )
        return self.metrics.text(now) + self.jobs.scraped()

    def _queues(self) -> dict[str, int]:
        traces = 0 if self.traces is None else self.traces.waiting
        return {**self.call_log.queued, "event_stream": self.feed.waiting, "traces": traces}

    def readiness(self, seen: Collection[TenantId] | None = None, *, rows: bool = True) -> ReadyView:
        """Whether calls can be taken. A tenant that failed hinders the others in nothing, and is told.

        `rows`: with one for each tenant, of those that are `seen`; None: of all.
        """
        problems = self._readiness_problems(seen if rows else ())
        notes: tuple[str, ...] = ()
        presence = None if self.neighbours is None else self.neighbours.presence
        if presence is not None and (unknown := presence.unknown):
            notes = (unknown,)
        return ReadyView(
            ready=not problems,
            problems=(*problems, *notes),
            live_calls=self.phone.live_calls + sum(told_of(one).live_calls for one in self._mine()),
            tenants=self.health(seen) if rows else None,
            states=(states := self.states()),
            dependencies=self.dependencies(states),
            processes=()
            if presence is None
            else tuple(health_of(one, seen if rows else ()) for one in presence.everybody),
        )

    def _readiness_problems(self, seen: Collection[TenantId] | None = ()) -> tuple[str, ...]:
        problems = []
        if self.directory.empty:
            told = "see the documents of ATENDE_TENANTS_DIR" if self.settings.tenants == "folder" else "none is stored"
            if loading := self.states()["loading"]:
                told = f"{loading} {'is' if loading == 1 else 'are'} being loaded"
            problems.append(f"no tenant answers: {told}")
        if self.phone.draining:
            problems.append("it is being stopped: live calls end, no other is taken")
        if lack := self._no_room():
            problems.append(lack)
        if self.neighbours is not None:
            problems += twin_of(self.neighbours.presence, seen)
        mine = self._mine()
        if self.seat.role == "control" and not any(one.state == "ok" for one in mine):
            states = ", ".join(map(_state_of, mine)) or "none has begun"
            problems.append(f"no process of this node takes calls: {states}")
        return tuple(problems)

    def _no_room(self) -> str:
        """What there is too little of for a call more; empty: nothing."""
        full = self.phone.full if self.seat.takes_calls else None
        lacks = [] if full is None else [f"full: {full.told}"]
        if not self.watch.room.calls:
            lacks += [f"{one.name}: {one.problem}" for one in self.watch.found if one.state == "down"]
        return "; ".join(lacks)

    def _mine(self) -> list[ProcessRow]:
        """The other processes of this node that take calls."""
        if self.neighbours is None:
            return []
        presence = self.neighbours.presence
        return [one for one in presence.others if one.node == presence.me.node and one.role == "media"]

    def present(self) -> Presently:
        """What this process tells the others."""
        failed = {*self.supervisor.listing.failed()}
        failed |= {one.tenant_id for one in self.folder.unsettled() if one.tenant_id is not None and one.problems}
        failed |= {*self.documents.problems, *self.secrets.renewal.problems, *self.supervisor.rolled_back}
        lacking = [one for one in self.health(failed) if one.problem] if failed else []
        return Presently(
            state="draining" if self.phone.draining else "ok" if self.phone.takes_calls else "full",
            told=Told(
                live_calls=self.phone.live_calls,
                max_calls=self.settings.max_calls if self.seat.takes_calls else 0,
                tenants=self.directory.count,
                problem=self._no_room()[:MAX_PROBLEM_CHARS],
                failing=len(lacking),
                failed=failures(lacking),
            ),
            calls=tuple(one.call for one in self.board.calls(None)),
        )

    def scrape_targets(self) -> list[ScrapeTarget]:
        """Every process that has metrics; of a process that is alone, none."""
        return [] if self.neighbours is None else targets_of(self.neighbours.presence.everybody)

    def dependencies(self, states: Mapping[str, int]) -> tuple[Dependency, ...]:
        """What the service depends on, and how each fares. `states` as that method has them."""
        phone = self.phone
        return (
            *self.watch.found,
            dependencies.models(self.supervisor.weight_mb, states.get("failed", 0)),
            *self._model_server(),
            dependencies.phone_door(phone.live_calls, self.settings.max_calls, draining=phone.draining),
            dependencies.media_clock(phone.clock_lateness),
            *((self.jobs.watch.found,) if self.seat.has_api else ()),
        )

    def _model_server(self) -> tuple[Dependency, ...]:
        return () if self.served is None else (dependencies.model_server(away=self.served.away),)

    def states(self) -> Counter[str]:
        """How many tenants there are in each state of `health`, a trial counted beside what it is tried beside."""
        listing = self.supervisor.listing
        counts: Counter[str] = Counter(listing.states())
        for status in self.folder.unsettled():
            if status.tenant_id is None or not listing.has(status.tenant_id):
                counts[status.unanswered] += 1
        return counts

    def health(self, seen: Collection[TenantId] | None = None) -> tuple[TenantHealth, ...]:
        """One row for each tenant, of those that are `seen` or of all; of one that answers it tells what is wrong with
        its newest document, too.

        A revision on trial has a row of its own.
        """
        return rows_of(
            self.supervisor.status(seen),
            self.folder.statuses if seen is None else self.folder.statuses_of(seen),
            ended=self.supervisor.rolled_back,
            lacks=[
                (tenant_id, lack)
                for tenant_id, lack in (*self.documents.problems.items(), *self.secrets.renewal.problems.items())
                if seen is None or tenant_id in seen
            ],
        )


Begun = Callable[[], Service | None]
"""The service; None while it starts."""


def _state_of(row: ProcessRow) -> str:
    told = told_of(row)
    return f"{row.role}-{row.slot} {row.state}" + (f" ({told.problem})" if told.problem else "")
