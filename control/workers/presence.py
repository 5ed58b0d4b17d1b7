"""A process among others: it tells that it lives and which calls it has, and knows what the others told last.

Nothing that a caller waits for waits here: who asks is answered from what was read last. While the database is away
everybody is taken to be as he was, and the limits of tenants are shared out between the processes that were known.
"""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec
import structlog
from msgspec import Struct, structs

from base.ids import AssistantName, CallId, TenantId
from base.processes import is_there
from base.tasks import beside
from pipelines.calls import Call, Closed, LiveEvent, Opened
from tenants.following import OUTAGES
from tenants.leases import LeaseStore, LiveCounts, NodeTakenError, ProcessRow, State
from tenants.lost import LOST_AFTER_S, LostProcesses
from tenants.roles import TAKE_CALLS
from transports.freeswitch.peers import LOOPBACK, is_within

RENEW_S: Final = 2.0
READ_S: Final = 1.0
SOON_S: Final = 0.25
"""A call that begins or ends is told so soon after the one before it."""
ASK_TIMEOUT_S: Final = 5.0
OWNER_TIMEOUT_S: Final = 1.0
"""An operator waits for the answer, and for that of the process that has the call."""

log = structlog.get_logger()


class FailedRevision(Struct, frozen=True, kw_only=True):
    """What a process does not have as it should."""

    slug: str
    tenant_id: TenantId | None
    revision: int | None
    """What answers instead; null: nothing does."""
    problem: str


class Told(Struct, frozen=True, kw_only=True):
    """What a process tells of itself beside its calls."""

    live_calls: int = 0
    max_calls: int = 0
    tenants: int = 0
    """That it answers for."""
    problem: str = ""
    """Why it takes no further call, where that is not by order."""
    failing: int = 0
    """Tenants that it does not have as it should."""
    failed: tuple[FailedRevision, ...] = ()
    """Some of them, where there are many."""
    machine: str = ""
    """What no other node has, whatever it is called; `Presence` adds it."""


class Present(Struct, frozen=True, kw_only=True):
    """How a process is now."""

    state: State
    told: Told
    calls: tuple[Call, ...] = ()


class Presence:
    """Of one process. `room`, `owner` and what is read never wait."""

    def __init__(
        self,
        store: LeaseStore,
        me: ProcessRow,
        *,
        processes: int = 1,
        now: Callable[[], float] = time.monotonic,
        lives: Callable[[int], bool] = is_there,
    ) -> None:
        """`processes` take calls as far as is known before the others were read; `me` tells its machine. `lives` says
        whether the machine has a process of that number.
        """
        self._lives = lives
        self._store = store
        self.me = me
        self.processes = processes
        """That take calls, this one among them, as far as is known."""
        self._now = now
        self._judge = LostProcesses()
        self._news = asyncio.Event()
        self._read_at: float | None = None
        self._elsewhere: LiveCounts = {}
        self._away = False
        self._begun = False
        self._unreachable = False
        self.taken: NodeTakenError | None = None
        """Why the others do not know of this process: another node has its node's name."""
        self.everybody: Sequence[ProcessRow] = ()
        """All processes, this one among them, as they were read last."""
        self.lost_calls = 0
        """Calls of processes that are gone, of which this one wrote down that they are lost."""

    @property
    def fresh(self) -> bool:
        """Whether what was read last is still worth anything."""
        return self._read_at is not None and self._now() - self._read_at < LOST_AFTER_S

    @property
    def unknown(self) -> str:
        """Why what was read is worth little; empty where it is fresh."""
        if self.fresh:
            return ""
        if self._read_at is None and not self._away:
            return "it has just begun: other processes have not been asked for yet"
        return "the database does not answer: other processes are as they were last"

    @property
    def others(self) -> tuple[ProcessRow, ...]:
        """All but this one."""
        return tuple(one for one in self.everybody if one.id != self.me.id)

    def room(self, tenant_id: TenantId, assistant: AssistantName | None, limit: int, here: int) -> bool:
        """Whether one more call may be taken, of `limit` in all processes, beside the `here` of this one.

        Of an assistant, or of the whole company (None). Without the database each process has its share of the limit,
        and one call at the least.
        """
        if self.fresh:
            others = self.elsewhere(tenant_id) if assistant is None else self._of(tenant_id).get(assistant, 0)
            return here + others < limit
        return here < max(1, limit // self.processes)

    def elsewhere(self, tenant_id: TenantId) -> int:
        """The tenant's live calls in other processes, as they told last."""
        return sum(self._of(tenant_id).values())

    def _of(self, tenant_id: TenantId) -> Mapping[AssistantName, int]:
        return self._elsewhere.get(tenant_id, {})

    async def owner(self, call_id: CallId, tenant_id: TenantId | None) -> ProcessRow | None:
        """The other process that has the call, which is the tenant's or anybody's (None); None where none is known to,
        or the database does not say.
        """
        try:
            async with asyncio.timeout(OWNER_TIMEOUT_S):
                found = await self._store.owner(tenant_id, call_id)
        except OUTAGES:
            return None
        return next((one for one in self.others if one.id == found), None)

    async def by_switch(self) -> Counter[str] | None:
        """Live calls that each PBX has in other processes, as they told last. None: the database does not tell."""
        try:
            async with asyncio.timeout(ASK_TIMEOUT_S):
                return Counter(await self._store.by_switch(self.me.id))
        except OUTAGES as error:
            log.warning("live calls of other processes could not be counted", error=repr(error))
            return None

    async def alone(self) -> bool:
        """Whether no other node uses the database. Asks it, and raises what it raises."""
        return await is_alone(self._store, self.me.node)

    def least_busy(self) -> int:
        """Live calls of the process of this node that takes calls and has the fewest, beside this one."""
        mine = (one for one in self.others if one.node == self.me.node and one.role in TAKE_CALLS and one.state == "ok")
        return min((told_of(one).live_calls for one in mine), default=0)

    def feed(self, event: LiveEvent) -> None:
        """A `LiveFeed`: what begins and ends is told soon."""
        if isinstance(event, Opened | Closed):
            self._news.set()

    def news(self) -> None:
        """Tell soon how this process is."""
        self._news.set()

    @asynccontextmanager
    async def present(self, how: Callable[[], Present]) -> AsyncIterator[None]:
        """While the block runs. `how` never waits. At the end the others know that it is gone."""
        try:
            async with beside(renew_the_lease=self._renewing(how), read_the_leases=self._reading()):
                yield
        finally:
            with suppress(*OUTAGES):
                async with asyncio.timeout(2.0):
                    await self._store.drop(self.me.id)

    async def _renewing(self, how: Callable[[], Present]) -> None:
        while True:
            await self._asked(lambda: self._renew(how()))
            await asyncio.sleep(SOON_S)
            with suppress(TimeoutError):
                async with asyncio.timeout(RENEW_S - SOON_S):
                    await self._news.wait()
            self._news.clear()

    async def _reading(self) -> None:
        while True:
            await self._asked(self._read)
            await asyncio.sleep(READ_S)

    async def _asked(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        try:
            async with asyncio.timeout(ASK_TIMEOUT_S):
                await work()
        except OUTAGES as error:
            self._judge.silent()
            if not self._away:
                log.warning("the database tells nothing of other processes: they are as they were", error=repr(error))
            self._away = True
        except Exception:
            log.exception("the processes' leases could not be kept")

    async def _renew(self, now: Present) -> None:
        told = msgspec.json.encode(structs.replace(now.told, machine=self.me.machine)).decode()
        if not self._begun or not await self._store.renew(self.me.id, now.state, told, now.calls):
            try:
                lost = await self._store.register(structs.replace(self.me, state=now.state, told=told))
            except NodeTakenError as error:
                self._see_a_twin(error)
                return
            self._see_a_twin(None)
            if lost:
                self.lost_calls += lost
                log.error("calls were lost with the process that had this place", calls=lost)
            await self._store.renew(self.me.id, now.state, told, now.calls)
            self._begun = True

    def _see_a_twin(self, taken: NodeTakenError | None) -> None:
        if taken is not None and self.taken is None:
            log.error("another node has this one's name: the others do not know of this process", error=str(taken))
        elif taken is None and self.taken is not None:
            log.warning("the other node of this one's name is gone", node=self.me.node)
        self.taken = taken

    async def _read(self) -> None:
        processes = await self._store.processes()
        self._away, now = False, self._now()
        missed = {one.id for one in self._judge.answered(now, processes)}
        others = [one for one in processes if one.id != self.me.id]
        lost = [one for one in others if one.id in missed or self._is_dead(one)]
        for one in lost:
            calls = await self._store.lose(one.id, one.renewed_at)
            if calls is not None:
                self.lost_calls += calls
                log.error("a process is lost", process=one.id, node=one.node, role=one.role, slot=one.slot, calls=calls)
        gone = {one.id for one in lost}
        self.everybody = [one for one in processes if one.id not in gone]
        self.processes = max(1, sum(one.role in TAKE_CALLS for one in self.everybody))
        self._elsewhere, self._read_at = await self._store.elsewhere(self.me.id), now
        self._see_whether_others_reach_us()

    def _is_dead(self, other: ProcessRow) -> bool:
        """Whether it was of this machine, which has no such process any more: nobody has to wait until it is missed."""
        ours = self.me.machine == other.machine != ""
        return ours and other.node == self.me.node and not self._lives(other.pid)

    def _see_whether_others_reach_us(self) -> None:
        """Told once. Who takes no calls is asked for none."""
        if self._unreachable or self.me.role not in TAKE_CALLS:
            return
        away = [one for one in self.others if one.node != self.me.node and not reaches(one.url, self.me.url)]
        if away:
            self._unreachable = True
            fix = "set ATENDE_INTERNAL_HOST, and without workers ATENDE_HTTP_HOST, to an address that they reach"
            log.warning("other machines cannot ask this process", url=self.me.url, node=away[0].node, fix=fix)


def reaches(asker: str, asked: str) -> bool:
    """Whether a process that listens at one URL can be another node's than one at the other, and ask it there.

    Several nodes of one machine have a loopback address each. Pure.
    """
    theirs, ours = urlsplit(asker).hostname or "", urlsplit(asked).hostname or ""
    return not is_within(ours, LOOPBACK) or (is_within(theirs, LOOPBACK) and theirs != ours)


async def is_alone(store: LeaseStore, node: str) -> bool:
    """Whether no other node has processes that tell of themselves. Raises what the database raises."""
    return all(one.node == node for one in await store.processes())


def told_of(process: ProcessRow) -> Told:
    """What it tells of itself; nothing where another version tells it otherwise."""
    try:
        return msgspec.json.decode(process.told, type=Told)
    except msgspec.DecodeError:
        return Told()
