"""Publishing a tenant again and again under its live calls: what the calls notice of it, and what it costs.

    python -m benchmarks.hotswap [--quick] [--check]

Twenty callers by unicast talk and listen (recordings, mock stages with a voice whose every 20 ms is numbered, the real
detector) while their tenant's document is saved 1,000 times: each time it is parsed, checked, loaded, stored and
activated, and live calls change over at their next silence. Meanwhile others ring, and have to get the new revision.

Full run: about 4 minutes, all bounds. `--quick`: at most 50 s, 100 swaps under 8 calls, with bounds of its own.
`--check`: exit 1 when a bound does not hold. The last line is one JSON object of all figures.

Peers in the same run: the same calls without any swap, before it; and an idle reference clock: what happens while that
is late itself is left out, and counted. Memory is compared with what it was after a tenth of the swaps.
"""

import asyncio
import os
import signal
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rich.console import Console

from benchmarks.parts import wire_calls, wire_figures
from benchmarks.parts.callers import utterances
from benchmarks.parts.command import judged, options_of
from benchmarks.parts.judge import Report, percentile
from benchmarks.parts.served import Moment, Served, served
from benchmarks.parts.swapping import variant
from benchmarks.parts.wire_calls import SLUG, TALKER, Rung
from control.peer import HangUp, Hears, ReferenceClock, Script, Sound, Switch, WaitFor, load_sound
from control.peer.measure import late_ms

DATA_DIR = Path(os.environ.get("ATENDE_DATA_DIR", ".atende")).resolve()
WORD_S = 0.1
NEW_WITHIN_S = 0.050
"""A call that comes so long after a revision was activated gets that revision, or a newer one."""
SETTLE_S = 3.0
GREETED = Script(steps=(WaitFor(what=Hears.SPEECH_START, limit_s=10), HangUp()))


@dataclass(frozen=True)
class Size:
    """How much is done, and what has to hold."""

    swaps: int
    pause_s: float
    calls: int
    turns: int
    before: int
    """Turns of the calls before, without a swap."""
    newcomers: int
    """Calls that ring while it is swapped, one after the other."""
    p999_ms: float
    memory_share: float
    changed_least: int
    """Live calls have changed over so often, all together."""


FULL = Size(
    swaps=1000,
    pause_s=0.12,
    calls=20,
    turns=40,
    before=4,
    newcomers=60,
    p999_ms=40.0,
    memory_share=0.05,
    changed_least=300,
)
QUICK = Size(
    swaps=100,
    pause_s=0.06,
    calls=8,
    turns=3,
    before=1,
    newcomers=8,
    p999_ms=60.0,
    memory_share=0.15,
    changed_least=8,
)


class Bench:
    """One run."""

    def __init__(self, report: Report, size: Size, out: Console) -> None:
        self._report, self._size, self._out = report, size, out
        self._sounds: list[Sound] = [load_sound(each.path) for each in utterances("first")]

    async def run(self) -> None:
        size = self._size
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name) / "tenants"
            folder.mkdir()
            (folder / f"{SLUG}.yaml").write_text(variant(0), encoding="utf-8")
            environ = {
                "ATENDE_TENANTS_DIR": str(folder),
                "ATENDE_DATA_DIR": str(Path(name) / "data"),
                "ATENDE_MODELS_DIR": str(DATA_DIR / "models"),
                "ATENDE_WATCH": "off",
            }
            program = ["benchmarks.parts.swapping", str(size.swaps), str(size.pause_s)]
            async with served(environ, program=program) as service:
                with ReferenceClock() as clock:
                    await self._measure(service, clock)
                    reference = clock.report()
        self._report.add("reference_p99_ms", reference.p99_ms, "ms")
        self._report.add("excluded_share", reference.excluded_share, most=0.01)

    async def _measure(self, service: Served, clock: ReferenceClock) -> None:
        size = self._size
        calm = await self._talk(service, size.before, clock)
        self._out.print("  some swaps first, so that memory is what swapping needs", highlight=False)
        service.process.send_signal(signal.SIGUSR2)
        await self._talk(service, size.before, clock)
        await _over(service, 1)
        await asyncio.sleep(SETTLE_S)
        memory, begins = await service.trimmed_bytes(), len(service.moments)
        self._out.print("  swapping", highlight=False)
        service.process.send_signal(signal.SIGUSR2)
        swapped, newcomers = await asyncio.gather(
            self._talk(service, size.turns, clock), self._newcomers(service, clock)
        )
        over = await _over(service, 2)
        await asyncio.sleep(SETTLE_S)
        grown = await service.trimmed_bytes() / memory - 1
        self._judge("calm", calm, clock, size.before, None)
        self._judge("swapped", swapped, clock, size.turns, size.p999_ms)
        self._moments(service.moments[begins:], over, swapped, newcomers)
        self._report.add("memory_growth_share", grown, most=size.memory_share)

    async def _talk(self, service: Served, turns: int, clock: ReferenceClock) -> list[Rung]:
        return await wire_calls.in_peace(
            service, "unicast", self._size.calls, turns, self._sounds, clock, limit_s=600.0
        )

    async def _newcomers(self, service: Served, clock: ReferenceClock) -> int:
        """How many were greeted."""
        greeted = 0
        async with Switch(service.ready.esl_host, service.ready.esl_port, reference=clock) as switch:
            for _ in range(self._size.newcomers):
                result = await switch.call(wire_calls.dialed_by(service, "unicast", TALKER), GREETED)
                greeted += result.greeting_ms is not None
                await asyncio.sleep(0.1)
        return greeted

    def _judge(
        self, name: str, calls: Sequence[Rung], clock: ReferenceClock, turns: int, p999_ms: float | None
    ) -> None:
        """What the callers heard."""
        bound = p999_ms is not None
        expected = len(calls) * (1 + turns)
        heard = wire_figures.sentences(calls, wire_calls.frames_of(WORD_S), clock)
        records = [one.record for one in calls]
        dropped = sum(record is None or record.end_reason != "caller_hangup" for record in records)
        errors = sum(len(record.errors) for record in records if record is not None)
        hazards = sum(len(one.result.hazards) for one in calls)
        self._report.add(f"{name}_calls", len(calls), least=self._size.calls)
        self._report.add(f"{name}_calls_dropped", dropped, most=0)
        self._report.add(f"{name}_errors", errors + hazards, most=0)
        self._report.add(f"{name}_sentences", heard.heard, least=expected)
        self._report.add(f"{name}_sentences_not_whole", heard.heard - heard.whole, most=0 if bound else None)
        self._report.add(f"{name}_longest_gap_ms", heard.longest_gap_ms, "ms")
        late = np.concatenate([late_ms(one.call.media.arrivals, clock) for one in calls])
        self._report.add(f"{name}_frames", len(late))
        for q in (0.5, 0.99, 0.999):
            most = p999_ms if q == 0.999 else None
            label = f"{name}_late_p{str(q)[2:].ljust(2, '0')}_ms"
            self._report.add(label, float(np.quantile(late, q)), "ms", most=most)

    def _moments(self, moments: Sequence[Moment], over: Moment, calls: Sequence[Rung], greeted: int) -> None:
        """When which revision answered."""
        size = self._size
        activated = [moment for moment in moments if moment.what == "activated"]
        changed = [moment for moment in moments if moment.what == "changed"]
        self._report.add("swaps", len(activated), least=size.swaps)
        took = [moment.took_ms for moment in activated]
        self._report.add("save_to_active_p50_ms", percentile(took, 0.5), "ms")
        self._report.add("save_to_active_p99_ms", percentile(took, 0.99), "ms")
        self._report.add("loop_kept_by_publishing_max_ms", over.longest_ms, "ms", most=10.0)
        self._report.add("collector_max_ms", over.took_ms, "ms")
        stale = [moment for moment in moments if moment.what == "opened" and _is_stale(moment, activated)]
        self._report.add("newcomers_greeted", greeted, least=size.newcomers)
        self._report.add("calls_begun_on_an_old_revision", len(stale), most=0)
        self._report.add("changed_over", len(changed), least=size.changed_least)
        newest = activated[-1].revision
        live = {one.result.call_id for one in calls}
        last = {moment.call_id: moment.revision for moment in changed if moment.call_id in live}
        self._report.add(
            "calls_that_ended_on_the_newest", sum(number == newest for number in last.values()), least=size.calls
        )
        waits = [(moment.at - _activated_at(activated, moment.revision)) * 1000 for moment in changed]
        self._report.add("active_to_changed_over_p50_ms", percentile(waits, 0.5), "ms")
        self._report.add("active_to_changed_over_max_ms", max(waits, default=float("nan")), "ms", most=31_000.0)


def _is_stale(opened: Moment, activated: Sequence[Moment]) -> bool:
    due = [moment.revision for moment in activated if moment.at <= opened.at - NEW_WITHIN_S]
    return bool(due) and opened.revision < due[-1]


def _activated_at(activated: Sequence[Moment], revision: int) -> float:
    return next((moment.at for moment in activated if moment.revision == revision), float("nan"))


async def _over(service: Served, times: int) -> Moment:
    async with asyncio.timeout(120):
        while True:
            over = [moment for moment in service.moments if moment.what == "over"]
            if len(over) == times:
                return over[-1]
            await asyncio.sleep(0.2)


def main() -> int:
    """Run it and judge it; the exit code."""
    options = options_of(__doc__).parse_args()
    size = QUICK if options.quick else FULL
    return judged("hotswap", options, lambda report, out: asyncio.run(Bench(report, size, out).run()))


if __name__ == "__main__":
    sys.exit(main())
