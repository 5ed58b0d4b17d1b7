"""How many calls a core carries, and what one costs in CPU and memory, beside stock pipecat.

    python -m benchmarks.density [--quick] [--check] [--only PART]

The server has core 0, its peers core 1; everything goes over loopback sockets. Each caller talks 2 s (a recording) and
listens 2 s. Cadence is taken from the kernel's time stamps at the peer. A number of calls holds when one try does, and
fails when two do on a quiet machine; a try that fails while others use the server's core is void and made again. A
number that failed in void tries alone fails the check: it tells of the machine, and short of stock it would flatter us.

Full run: about 14 minutes, all bounds. `--quick`: at most 50 s, a subset with bounds of its own: 16 calls on each wire,
20 idle calls, 200 finished ones, no stock. `--check`: exit 1 when a bound does not hold. The last line is one JSON
object of all figures. Stock needs FastAPI, which the dependency group `dev` brings.
"""

import asyncio
import os
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path

import uvloop
from msgspec import structs
from rich.console import Console

from benchmarks.parts import mocks
from benchmarks.parts.cadence import Step, best, capacity, enough, unanswered
from benchmarks.parts.callers import dialed
from benchmarks.parts.command import judged, options_of
from benchmarks.parts.cores import two_cores
from benchmarks.parts.crowd import Crowd
from benchmarks.parts.judge import Report
from benchmarks.parts.load import SILENT, Caller, Exchange, PhoneCaller, SocketCaller, voices
from benchmarks.parts.served import Served, served

DATA_DIR = Path(os.environ.get("ATENDE_DATA_DIR", ".atende")).resolve()
PARTS = ("unicast", "audio_fork", "idle", "growth", "stock", "stock_lean")
CPU_AT = 24
"""Calls at which CPU is judged in full: the first rung of our ladders."""
TIMES_STOCK = 8.0
RECORD_TIMEOUT_S = 30.0
OFFSET_FRAMES = 37
"""Callers begin at different places of their 4 s."""


@dataclass(frozen=True)
class Plan:
    """How much is measured, and against what."""

    ladders: dict[str, tuple[int, ...]]
    settle_s: float
    """Between the last call's answer and what is measured."""
    window_s: float
    tries: int
    """Of one number of calls, void ones included."""
    idle_calls: int
    finished_calls: tuple[int, int]
    """Memory is read after so many, and again after so many."""
    least_calls: dict[str, int]
    most_cpu_s: dict[str, float]
    most_idle_mb: float
    most_growth_kb: float
    at_once: int = 25


FULL = Plan(
    ladders={
        "unicast": (24, 32, 48, 64, 72, 80, 84, 88, 92, 96, 104),
        "audio_fork": (24, 32, 48, 56, 64, 72, 80, 88),
        "stock": (4, 6, 7, 8, 9, 10, 11, 12, 13),
        "stock_lean": (4, 8, 9, 10, 11, 12, 14, 16),
    },
    settle_s=4.0,
    window_s=15.0,
    tries=6,
    idle_calls=100,
    finished_calls=(500, 2000),
    least_calls={"unicast": 32, "audio_fork": 24},
    most_cpu_s={"unicast": 1.1, "audio_fork": 1.4},
    most_idle_mb=2.0,
    most_growth_kb=5.0,
)
QUICK = Plan(
    ladders={"unicast": (16,), "audio_fork": (16,)},
    settle_s=2.0,
    window_s=5.0,
    tries=4,
    idle_calls=20,
    finished_calls=(100, 200),
    least_calls={"unicast": 16, "audio_fork": 16},
    most_cpu_s={"unicast": 1.6, "audio_fork": 1.9},
    most_idle_mb=4.0,
    most_growth_kb=100.0,
)


@dataclass
class Bench:
    """One run."""

    plan: Plan
    report: Report
    out: Console
    core: int
    exchange: Exchange = field(default_factory=Exchange)
    voices: list[list[bytes]] = field(default_factory=voices)
    void_tries: int = 0
    """Tries beside which the machine was disturbed, also where another try held."""

    async def climb(self, name: str, service: Served, make: Callable[[int], Caller]) -> list[Step]:
        """Up a ladder until a rung does not hold; the best try of each."""
        crowd, steps = Crowd(self.exchange, service, self.core, make, pauses=name.startswith("stock")), list[Step]()
        for calls in self.plan.ladders[name]:
            steps.append(await self._rung(name, crowd, calls))
            if not steps[-1].holds:
                break
        await crowd.disperse()
        return steps

    async def _rung(self, name: str, crowd: Crowd, calls: int) -> Step:
        try:
            await crowd.grow(calls)
        except (TimeoutError, OSError):
            return unanswered(calls)
        await asyncio.sleep(self.plan.settle_s)
        tries: list[Step] = []
        while not enough(tries, self.plan.tries):
            tries.append(step := await crowd.measure(self.plan.window_s))
            self.out.print(f"  {name}: {told(step)}", highlight=False)
        self.void_tries += sum(step.void for step in tries)
        return best(tries)

    def caller(self, service: Served, wire: str, voice: Sequence[bytes], index: int) -> PhoneCaller:
        """One that rings our door and asks for a wire."""
        who = dialed(service, mocks.SLUG)
        who = structs.replace(who, variables={**who.variables, "atende_wire": wire})
        address = service.ready.esl_host, service.ready.esl_port
        return PhoneCaller(self.exchange, voice, index * OFFSET_FRAMES, who, address)

    def ringing(self, service: Served, wire: str) -> Callable[[int], Caller]:
        """Makes talking callers of our door."""
        return lambda index: self.caller(service, wire, self.voice(index), index)

    def voice(self, index: int) -> list[bytes]:
        """A recorded caller."""
        return self.voices[index % len(self.voices)]


def told(step: Step) -> str:
    """A step in one line."""
    verdict = "holds" if step.holds else "short"
    return (
        f"{step.calls} calls: p99 {step.p99_ms:.1f} ms (median {step.p50_ms:.1f}), "
        f"{step.cpu_s_per_call_minute:.2f} CPU-s per call-minute, core {step.cpu_share:.0%} ours and "
        f"{step.foreign_share:.0%} others', answered {step.answered:.0%}, delivered {step.delivered:.1%}, "
        f"peer's p99 {step.peer_p99_ms:.1f} ms: {verdict}{' (void)' if step.void else ''}"
    )


async def ours(bench: Bench, parts: Sequence[str], folder: Path) -> None:
    """Everything that is measured of our own service, in one process."""
    environ = {
        "ATENDE_TENANTS_DIR": str(mocks.tenants_folder(folder / "tenants")),
        "ATENDE_DATA_DIR": str(folder / "data"),
        "ATENDE_MODELS_DIR": str(DATA_DIR / "models"),
        "ATENDE_WIRES": "unicast,audio_fork",
        "ATENDE_MEDIA_SOCKET_PORT": "0",
    }
    async with served(environ, core=bench.core) as service:
        # Memory first: what a crowd has left behind would hide what a call costs.
        if "idle" in parts:
            await idle(bench, service)
        if "growth" in parts:
            await growth(bench, service)
        for wire in ("unicast", "audio_fork"):
            if wire in parts:
                judge(bench.plan, bench.report, wire, await bench.climb(wire, service, bench.ringing(service, wire)))


async def stock(bench: Bench, name: str) -> None:
    """Stock pipecat, with default or with lean flags."""
    program = ["benchmarks.parts.stock", *(["--lean"] if name == "stock_lean" else [])]
    async with served({}, core=bench.core, program=program) as service:
        url = f"ws://{service.ready.esl_host}:{service.ready.esl_port}/ws"

        def make(index: int) -> Caller:
            return SocketCaller(bench.exchange, bench.voice(index), index * OFFSET_FRAMES, url)

        judge(bench.plan, bench.report, name, await bench.climb(name, service, make))


def judge(plan: Plan, report: Report, name: str, steps: Sequence[Step]) -> None:
    """A ladder's figures; its first rung is where CPU is judged."""
    # A peer that does not work must not make us look good: it has to hold the first rung of its own ladder.
    report.add(f"{name}_calls", capacity(steps), least=plan.least_calls.get(name, plan.ladders[name][0]))
    for step in steps:
        report.add(f"{name}_{step.calls}_p99_ms", step.p99_ms, "ms")
        cpu_bound = plan.most_cpu_s.get(name) if step is steps[0] else None
        report.add(f"{name}_{step.calls}_cpu_s_per_call_minute", step.cpu_s_per_call_minute, "s", most=cpu_bound)
        report.notes.append(f"{name}: {told(step)}")
    report.add(f"{name}_void_steps", sum(step.void for step in steps))
    # One that held all the same holds on a quiet machine too.
    report.add(f"{name}_void_failures", sum(step.void and not step.holds for step in steps), most=0)


async def idle(bench: Bench, service: Served) -> None:
    """Resident memory of one more silent call."""
    crowd = Crowd(
        bench.exchange,
        service,
        bench.core,
        lambda index: bench.caller(service, "unicast", SILENT, index),
        pauses=False,
    )
    await crowd.grow(2)
    await asyncio.sleep(bench.plan.settle_s)
    before = await service.trimmed_bytes()
    calls = bench.plan.idle_calls
    await crowd.grow(2 + calls)
    await asyncio.sleep(bench.plan.settle_s)
    grown = service.rss_bytes() - before
    await crowd.disperse()
    bench.report.add("idle_call_mb", grown / calls / 1e6, "MB", most=bench.plan.most_idle_mb)


async def growth(bench: Bench, service: Served) -> None:
    """What finished calls leave behind."""
    early, late = bench.plan.finished_calls
    began = time.monotonic()
    await finish(bench, service, early)
    before = await service.trimmed_bytes()
    await finish(bench, service, late - early)
    grown = await service.trimmed_bytes() - before
    bench.out.print(f"  growth: {late} calls in {time.monotonic() - began:.0f} s", highlight=False)
    bench.report.add("growth_kb_per_call", grown / (late - early) / 1e3, "kB", most=bench.plan.most_growth_kb)


async def finish(bench: Bench, service: Served, calls: int) -> None:
    """So many calls, some at once: each hears the greeting begin and hangs up."""
    left = iter(range(calls))

    async def one_after_the_other() -> None:
        for index in left:
            caller = bench.caller(service, "unicast", SILENT, index)
            await caller.ring()
            await caller.heard.voice.wait()
            await caller.hang_up()
            await service.record(caller.call_id, RECORD_TIMEOUT_S)

    async with asyncio.timeout(60 + calls), asyncio.TaskGroup() as group:
        for _ in range(bench.plan.at_once):
            group.create_task(one_after_the_other())


async def measure(report: Report, parts: Sequence[str], plan: Plan, out: Console) -> None:
    """All parts that were asked for."""
    server_core, peer_core = two_cores()
    os.sched_setaffinity(0, {peer_core})
    bench = Bench(plan, report, out, server_core)
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        stack.callback(bench.exchange.close)
        for name in ("stock", "stock_lean"):
            if name in parts and name in plan.ladders:
                await stock(bench, name)
        await ours(bench, parts, folder)
    report.add("void_tries", bench.void_tries)
    values = {figure.name: figure.value for figure in report.figures}
    for name in ("stock", "stock_lean"):
        if f"{name}_calls" in values and "unicast_calls" in values:
            times = values["unicast_calls"] / (values[f"{name}_calls"] or float("nan"))
            report.add(f"unicast_times_{name}", times, least=TIMES_STOCK if name == "stock" else None)


def main() -> int:
    """Run the parts and judge them; the exit code."""
    parser = options_of(__doc__)
    parser.add_argument("--only", choices=PARTS, action="append")
    options = parser.parse_args()
    parts, plan = tuple(options.only or PARTS), QUICK if options.quick else FULL
    return judged("density", options, lambda report, out: uvloop.run(measure(report, parts, plan, out)))


if __name__ == "__main__":
    sys.exit(main())
