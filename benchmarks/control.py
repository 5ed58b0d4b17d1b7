"""What an operator waits for: finding finished calls in a database of very many, and asking beside live calls.

    python -m benchmarks.control [--only calls|beside|outage|kills|followers|nodes]… [--quick] [--check]

calls: 10,000 tenants and a million calls with six million turns in an embedded PostgreSQL, a tenth of the calls one
tenant's. Lists and searches of 50 calls through the service's own store, one after the other: those of `list` and
`dates` by any tenant with calls, all others by the largest. Peer in the same run: the same store and the same searches
without the indexes that migration `finding_calls` makes (`…_without_…`), before they are made. What no index can be
made for is told apart: two things that are each in very many calls and never in one (`never_together`), with a bound of
its own, and a text, which has none but the time after which a search is given up (5 s).

beside: 20 live calls in a process with 20 requests in a second beside them (what is loaded, live calls, a list of 50 of
2,000 finished ones), service and database on one core, callers on another. Phases without requests and with them take
turns. Judged: that all calls' audio came throughout and that many requests were answered, how long these take, and what
they add to how late audio is (median over the pairs of phases): to the 99th percentile of the cadence at the callers'
and of the service's media clock, and to the share of frames that come late by a frame. `foreign_share` is what others
used of the core: beside requests, the database works there too.

outage: `atende serve` with two workers on a PostgreSQL that is stopped for 60 s while 20 callers talk (scripted switch,
mock stages), and others ring on. Nobody is dropped, every question is answered and in time, whoever rings is answered,
`/health/ready` tells it all the while, and behind it no process and no live call has lost its lease, every call has its
record and its two events, and none is lost.

kills: four tenants' documents are put one after the other while PostgreSQL is killed (SIGKILL) 15 times; every revision
that was accepted is there whole, with its event once, and no event tells of one that is not there.

followers: `atende serve` with two workers. How long after the answer of a PUT each of the processes that take calls
answers with it.

nodes: three nodes (`atende serve` with ATENDE_TENANTS=database) on 127.0.0.2 to 127.0.0.4 and one embedded PostgreSQL.
How long after the answer of a PUT every node answers with it; 30 callers, one after the other in each place, who ring
whichever node listens, while all three nodes are restarted in turn, each under calls: no call may end but by its
caller, and each node has other processes and calls afterwards; and a node that is killed: its calls go on in the
dialplan by the door of the fall-back, those of the others with us, and its calls alone are told as lost.

Full run: some 18 minutes. `--quick`: at most 50 s each; 200 tenants and 50,000 calls, 3 pairs of phases, 8 s, 3 kills,
9 callers. `--check`: exit 1 when a bound does not hold. The last line is one JSON object of all figures.
"""

import asyncio
import os
import random
import sys
import tempfile
import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from statistics import median
from typing import Any, Final

from msgspec import structs
from rich.console import Console

from base.ids import CallId, TenantId
from base.secret import Secret
from benchmarks.parts import many_calls as data
from benchmarks.parts.beside import measured, staged
from benchmarks.parts.command import judged, options_of
from benchmarks.parts.followers import measure_followers
from benchmarks.parts.judge import Report, percentile
from benchmarks.parts.kills import measure_kills
from benchmarks.parts.many_calls import ManyCalls, call_id, many_calls
from benchmarks.parts.node_figures import measured_nodes
from benchmarks.parts.outage import measure_outage
from tenants.call_search import CallFilter, SearchTooWideError
from tenants.conversations import ConversationStore, Cursor, PostgresConversations
from tenants.database import PoolBounds, connect_app
from tenants.embedded import embedded_postgres
from tenants.migrate import connect, migrate

PAGE: Final = 50
SEARCH_P95_MS: Final = 100.0
NEVER_TOGETHER_P95_MS: Final = 400.0
"""All calls with one of the two are looked through: 30,000 of the largest tenant's."""
EXPORTED: Final = 5000
LIVE: Final = 20
REQUESTS_PER_S: Final = 20.0
BESIDE_P95_MS: Final = 50.0
ADDED_MS: Final = 2.0
"""By requests, to a 99th percentile."""
ADDED_LATE: Final = 0.0005
"""By requests, to the share of frames that come late by a frame."""
NEW_INDEXES: Final = """
SELECT indexname AS name, indexdef AS made_by, pg_relation_size(format('atende.%I', indexname)::regclass) AS bytes
FROM pg_indexes WHERE schemaname = 'atende' AND tablename = 'conversations'
    AND indexname NOT IN ('conversations_pkey', 'conversations_newest') ORDER BY indexname
"""


@dataclass(frozen=True)
class Size:
    """How much there is, and how often each is asked for."""

    tenants: int
    calls: int
    rounds: int
    peer_rounds: int
    text_rounds: int
    pairs: int
    phase_s: float
    outage_s: float
    live_calls: int
    kills: int
    puts: int
    callers: int
    talk_s: float
    """Of a call, behind its greeting."""


FULL = Size(
    tenants=10_000,
    calls=1_000_000,
    rounds=400,
    peer_rounds=60,
    text_rounds=20,
    pairs=10,
    phase_s=12.0,
    outage_s=60,
    live_calls=20,
    kills=15,
    puts=40,
    callers=30,
    talk_s=15.0,
)
QUICK = Size(
    tenants=200,
    calls=50_000,
    rounds=100,
    peer_rounds=30,
    text_rounds=5,
    pairs=3,
    phase_s=6.0,
    outage_s=8,
    live_calls=20,
    kills=3,
    puts=10,
    callers=9,
    talk_s=6.0,
)


class Asker:
    """Draws what is asked for; the same seed asks the same."""

    def __init__(self, many: ManyCalls, seed: int) -> None:
        self._many, self._chance = many, random.Random(seed)
        self._largest = many.tenants[data.LARGEST]
        self._its_calls = many.of(data.LARGEST)

    def asked(self, kind: str) -> tuple[TenantId, CallFilter, Cursor | None]:
        """Tenant, filter and cursor of one search."""
        chance, one = self._chance, self._chance.choice(self._its_calls)
        tenant = self._many.tenants[chance.choice(self._many.owners)]
        since = data.FIRST + timedelta(days=chance.uniform(0, data.DAYS - 30))
        dates = {"opened_from": since, "opened_to": since + timedelta(days=chance.uniform(1, 30))}
        facts: Mapping[str, Mapping[str, Any]] = {
            "list": {},
            "cursor": {},
            "dates": dates,
            "assistant": {"assistant": chance.choice(data.ASSISTANTS)},
            "number": {"number": chance.choice(data.NUMBERS)},
            "caller": {"caller": self._many.caller(one)},
            "end_reason": {"end_reason": chance.choice(list(data.ENDS))},
            "revision": {"revision": chance.randint(1, data.REVISIONS)},
            "several": {**dates, "assistant": data.ASSISTANTS[1], "end_reason": chance.choice(list(data.ENDS))},
            "never_together": {"assistant": data.ASSISTANTS[0], "number": data.NUMBERS[1]},
        }
        before = Cursor(self._many.opened_at(one), call_id(one)) if kind == "cursor" else None
        return tenant if kind in ("list", "dates") else self._largest, CallFilter(**facts[kind]), before

    def said(self, text: str, days: float) -> tuple[TenantId, CallFilter]:
        """A text of the largest tenant's, within so many days."""
        since = data.FIRST + timedelta(days=self._chance.uniform(0, data.DAYS - days))
        return self._largest, CallFilter(text=text, opened_from=since, opened_to=since + timedelta(days=days))


KINDS: Final = ("list", "cursor", "dates", "assistant", "number", "caller", "end_reason", "revision", "several",
                "never_together")  # fmt: skip


def main() -> int:
    """Run it and judge it; the exit code."""
    parser = options_of(__doc__)
    parser.add_argument("--only", choices=list(PARTS), action="append")
    options = parser.parse_args()
    size = QUICK if options.quick else FULL

    def measure(report: Report, out: Console) -> None:
        report.add("load_before", os.getloadavg()[0])
        for part in options.only or PARTS:
            with tempfile.TemporaryDirectory(prefix=f"atende-{part}-") as name:
                Path(name).chmod(0o755)  # The server may run as a user of its own.
                asyncio.run(PARTS[part](report, size, Path(name) / "data", out))

    return judged("control", options, measure)


async def measure_calls(report: Report, size: Size, folder: Path, out: Console) -> None:
    """In a database of its own."""
    async with embedded_postgres(folder) as url:
        await _measure(report, size, url, out)


async def measure_beside(report: Report, size: Size, folder: Path, out: Console) -> None:
    """In a service of its own."""
    async with staged(folder, LIVE) as stage:
        out.print(f"{LIVE} live calls, {size.pairs} pairs of phases …")
        found = await measured(stage, size.pairs, size.phase_s, REQUESTS_PER_S)
    report.add("live_calls", found.live_calls, least=LIVE)
    for name, took in found.took_ms.items():
        _tell(report, f"beside_{name}", took, most=BESIDE_P95_MS)
    report.add("beside_requests_per_s", found.requests_per_s, "1/s", least=0.95 * REQUESTS_PER_S)
    report.add("beside_failed", found.failed, most=0)
    for of, unit, most in (
        ("p99_ms", "ms", ADDED_MS),
        ("clock_p99_ms", "ms", ADDED_MS),
        ("late_share", "", ADDED_LATE),
    ):
        report.add(f"{of}_without", median(getattr(phase, of) for phase in found.without), unit)
        report.add(f"{of}_with", median(getattr(phase, of) for phase in found.beside), unit)
        report.add(f"{of}_added", found.difference(of), unit, most=most)
    report.add("foreign_share_without", median(phase.foreign_share for phase in found.without))
    report.add("foreign_share_with", median(phase.foreign_share for phase in found.beside))


async def _measure(report: Report, size: Size, url: Secret, out: Console) -> None:
    """Fill it, ask without the new indexes, make them, ask again."""
    many = many_calls(size.tenants, size.calls)
    await migrate(url)
    owner = await connect(url)
    database = await connect_app(url, None, PoolBounds(max_connections=2))
    store = PostgresConversations(database)
    try:
        indexes = await owner.fetch(NEW_INDEXES)
        for index in indexes:
            await owner.execute(f"DROP INDEX atende.{index['name']}")
        out.print(f"{size.calls:,} calls of {size.tenants:,} tenants …")
        report.add("tenants", size.tenants)
        report.add("calls", size.calls)
        report.add("largest_tenant_calls", len(many.of(data.LARGEST)))
        report.add("fill_s", await _seconds(data.fill(owner, many)), "s")
        out.print("without the indexes …")
        without = await _searched(store, Asker(many, 1), size.peer_rounds)
        stored_without = await _stored(store, many, "without")
        report.add("indexes_s", await _seconds(_make(owner, indexes)), "s")
        out.print("with them …")
        found = await _searched(store, Asker(many, 2), size.rounds)
        for kind in KINDS:
            most = NEVER_TOGETHER_P95_MS if kind == "never_together" else SEARCH_P95_MS
            _tell(report, kind, found[kind], most=most)
            report.add(f"{kind}_without_p95_ms", percentile(without[kind], 0.95), "ms")
        await _texts(report, store, Asker(many, 3), size)
        report.add("export_calls_per_s", await _exported(store, many), "1/s")
        report.add("store_p50_ms", percentile(await _stored(store, many, "with"), 0.5), "ms")
        report.add("store_without_p50_ms", percentile(stored_without, 0.5), "ms")
        report.add("indexes_mb", sum(index["bytes"] for index in await owner.fetch(NEW_INDEXES)) / 1e6, "MB")
    finally:
        await database.close()
        await owner.close()


def _tell(report: Report, name: str, took_ms: Sequence[float], most: float | None = None) -> None:
    report.add(f"{name}_p50_ms", percentile(took_ms, 0.5), "ms")
    report.add(f"{name}_p95_ms", percentile(took_ms, 0.95), "ms", most=most)
    report.add(f"{name}_p99_ms", percentile(took_ms, 0.99), "ms")


async def _seconds(work: Coroutine[Any, Any, Any]) -> float:
    """It begins when it is awaited."""
    began = time.perf_counter()
    await work
    return time.perf_counter() - began


async def _make(owner: Any, indexes: Sequence[Any]) -> None:
    """The migration's indexes, as it makes them: in one transaction."""
    async with owner.transaction():
        for index in indexes:
            await owner.execute(index["made_by"])
    await owner.execute("VACUUM (ANALYZE) atende.conversations")


async def _searched(store: ConversationStore, asker: Asker, rounds: int) -> dict[str, list[float]]:
    """Milliseconds of each search; the kinds take turns."""
    took: dict[str, list[float]] = {kind: [] for kind in KINDS}
    for _ in range(rounds):
        for kind in KINDS:
            tenant, wanted, before = asker.asked(kind)
            seconds = await _seconds(store.search(tenant, wanted, PAGE, before))
            took[kind].append(seconds * 1e3)
    return took


async def _texts(report: Report, store: ConversationStore, asker: Asker, size: Size) -> None:
    """Texts that are often and hardly ever said, within a week, a quarter and all time."""
    for name, text, days in (
        ("text_common", data.COMMON, data.DAYS), ("text_rare_week", data.RARE, 7), ("text_rare_quarter", data.RARE, 91),
        ("text_rare_year", data.RARE, data.DAYS),
    ):  # fmt: skip
        took, too_wide = [], 0
        for _ in range(size.text_rounds):
            tenant, wanted = asker.said(text, days)
            began = time.perf_counter()
            try:
                await store.search(tenant, wanted, PAGE)
            except SearchTooWideError:
                too_wide += 1
            took.append((time.perf_counter() - began) * 1e3)
        _tell(report, name, took)
        report.add(f"{name}_too_wide", too_wide)


async def _exported(store: ConversationStore, many: ManyCalls) -> float:
    """Whole records of the largest tenant's in a second."""
    began, count = time.perf_counter(), 0
    async for _ in store.export(many.tenants[data.LARGEST], CallFilter()):
        count += 1
        if count == EXPORTED:
            break
    return count / (time.perf_counter() - began)


async def _stored(store: ConversationStore, many: ManyCalls, name: str, calls: int = 200) -> list[float]:
    """Milliseconds of keeping another call, each like the newest."""
    tenant, took = many.tenants[data.LARGEST], []
    (whole,) = await store.list(tenant, 1)
    for number in range(calls):
        call = structs.replace(whole.call, id=CallId(f"{name}-{number}"))
        took.append(await _seconds(store.store(tenant, structs.replace(whole, call=call))) * 1e3)
    return took


async def _outage(report: Report, size: Size, folder: Path, out: Console) -> None:
    await measure_outage(report, size.live_calls, size.outage_s, folder.parent, out)


async def _kills(report: Report, size: Size, folder: Path, out: Console) -> None:
    await measure_kills(report, size.kills, folder.parent, out)


async def _followers(report: Report, size: Size, folder: Path, out: Console) -> None:
    await measure_followers(report, size.puts, folder.parent, out)


async def measure_nodes(report: Report, size: Size, folder: Path, out: Console) -> None:
    """In a database of their own."""
    async with embedded_postgres(folder) as url:
        await measured_nodes(report, folder, url, out, puts=size.puts, callers=size.callers, talk_s=size.talk_s)


PARTS: Final[Mapping[str, Callable[[Report, Size, Path, Console], Coroutine[Any, Any, None]]]] = {
    "calls": measure_calls,
    "beside": measure_beside,
    "outage": _outage,
    "kills": _kills,
    "followers": _followers,
    "nodes": measure_nodes,
}


if __name__ == "__main__":
    sys.exit(main())
