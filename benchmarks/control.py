"""What an operator waits for: finding finished calls in a database of very many, and asking beside live calls.

    python -m benchmarks.control [--only calls|tenants|beside|outage|kills|followers|nodes]… [--quick] [--check]

calls: 10,000 tenants and a million calls with six million turns in an embedded PostgreSQL, a tenth of the calls one
tenant's. Lists and searches of 50 calls through the service's own store, one after the other: those of `list` and
`dates` by any tenant with calls, all others by the largest. Peer in the same run: the same store and the same searches
without the indexes that migration `finding_calls` makes (`…_without_…`), before they are made. What no index can be
made for is looked for in a part of the calls, and the page tells how far it looked: two things that are each in very
many calls and never in one (`never_together`), and a text. Pages from the newest call and from anywhere are judged like
all others; how many pages, and how long, it takes to look through everything is told beside them (`…_whole_…`).

tenants: as many companies, with a document each, and calls in `atende serve` (documents in the database; an embedded
PostgreSQL), asked for by its REST API over a socket, one request after the other: the list of companies from end to end
in pages of 200, its first page and any other of 50, one company by the list's filter and by its address, its revisions,
what is loaded; and the searches of `calls` as requests, with the same bounds, beside whole records. The pages of 200
have no bound. Everything has to be answered with 200, and lists with something where something is. The time until the
service knows all companies is told.

beside: 20 live calls in a process with 20 requests in a second beside them (what is loaded, live calls, a list of 50 of
2,000 finished ones), service and database on one core, callers on another. Phases without requests and with them take
turns. Judged: that all calls' audio came throughout and that many requests were answered, how long these take, and what
they add to how late audio is (median over the pairs of phases): to the 99th percentile of the cadence at the callers'
and of the service's media clock, and to the share of frames that come late. `foreign_share` is what others
used of the core: beside requests, the database works there too. Frames that come 40 ms late and more are late, for the
reasons that `benchmarks/parts/beside.py` has; those that come 20 ms late are told.

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

Full run: some 25 minutes. `--quick`: at most 50 s each; 200 tenants and 50,000 calls, 3 pairs of phases, 8 s, 3 kills,
9 callers. `--check`: exit 1 when a bound does not hold. The last line is one JSON object of all figures.
"""

import asyncio
import os
import sys
import tempfile
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any, Final

from rich.console import Console

from benchmarks.parts.beside import measured, staged
from benchmarks.parts.command import judged, options_of
from benchmarks.parts.finding import Rounds, measured_finding
from benchmarks.parts.followers import measure_followers
from benchmarks.parts.judge import Report, tell
from benchmarks.parts.kills import measure_kills
from benchmarks.parts.many_calls import many_calls
from benchmarks.parts.many_tenants import measured_tenants
from benchmarks.parts.node_figures import measured_nodes
from benchmarks.parts.outage import measure_outage
from tenants.embedded import embedded_postgres

LIVE: Final = 20
REQUESTS_PER_S: Final = 20.0
BESIDE_P95_MS: Final = 50.0
ADDED_MS: Final = 2.0
"""By requests, to a 99th percentile."""
ADDED_LATE: Final = 0.0005
"""By requests, to the share of frames that come late."""


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
    text_rounds=60,
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
        many = many_calls(size.tenants, size.calls)
        rounds = Rounds(of_each=size.rounds, peer=size.peer_rounds, text=size.text_rounds)
        await measured_finding(report, many, rounds, url, out)


async def measure_tenants(report: Report, size: Size, folder: Path, out: Console) -> None:
    """By REST, in a service and a database of their own."""
    many = many_calls(size.tenants, size.calls)
    async with embedded_postgres(folder / "database") as url:
        await measured_tenants(report, many, size.rounds // 2, url, folder / "service", out)


async def measure_beside(report: Report, size: Size, folder: Path, out: Console) -> None:
    """In a service of its own."""
    async with staged(folder, LIVE) as stage:
        out.print(f"{LIVE} live calls, {size.pairs} pairs of phases …")
        found = await measured(stage, size.pairs, size.phase_s, REQUESTS_PER_S)
    report.add("live_calls", found.live_calls, least=LIVE)
    for name, took in found.took_ms.items():
        tell(report, f"beside_{name}", took, most=BESIDE_P95_MS)
    report.add("beside_requests_per_s", found.requests_per_s, "1/s", least=0.95 * REQUESTS_PER_S)
    report.add("beside_failed", found.failed, most=0)
    for of, unit, most in (
        ("p99_ms", "ms", ADDED_MS),
        ("clock_p99_ms", "ms", ADDED_MS),
        ("late_share", "", ADDED_LATE),
        ("by_a_frame_share", "", None),
    ):
        report.add(f"{of}_without", median(getattr(phase, of) for phase in found.without), unit)
        report.add(f"{of}_with", median(getattr(phase, of) for phase in found.beside), unit)
        report.add(f"{of}_added", found.difference(of), unit, most=most)
    report.add("foreign_share_without", median(phase.foreign_share for phase in found.without))
    report.add("foreign_share_with", median(phase.foreign_share for phase in found.beside))


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
    "tenants": measure_tenants,
    "beside": measure_beside,
    "outage": _outage,
    "kills": _kills,
    "followers": _followers,
    "nodes": measure_nodes,
}


if __name__ == "__main__":
    sys.exit(main())
