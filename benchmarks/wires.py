"""The wires, measured at the peer: how soon a caller silences us, what a cough does, and how even the audio comes.

    python -m benchmarks.wires [--quick] [--check] [--only PART] [--level DBFS]

Full run: about 5 minutes on 2 cores, all bounds. `--quick`: at most 50 s, a stated subset with bounds of its own: 20
calls by unicast and 5 by each other wire with one question, 10 interruptions and 4 noises by each wire, the wires at
once but for unicast's 20 calls. `--check`: exit 1 when a bound does not hold. The last line is one JSON object of all
figures.

Stages are mocks, but for the detector. The speech of the callers is set to `--level`, which is that of the speech alone
(`benchmarks.parts.noises.active_dbfs`).

Peer in the same run: an idle reference clock; what happens while it is late is left out, and counted (`…_late`). What
is timed and finds no other end is counted too, and bounded (`…_unmatched_share`).
"""

import asyncio
import math
import os
import sys
import tempfile
from collections import Counter
from collections.abc import Awaitable, Callable, Hashable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from rich.console import Console

from benchmarks.parts import wire_calls, wire_figures
from benchmarks.parts.callers import DATA, utterances
from benchmarks.parts.command import judged, options_of
from benchmarks.parts.judge import Report, percentile
from benchmarks.parts.marked import FRAME_S
from benchmarks.parts.noises import at_level, cough
from benchmarks.parts.served import served
from benchmarks.parts.wire_calls import COUGHER, LISTENER, WORDS, Rung
from control.peer import ReferenceClock, load_sound
from transports.freeswitch.words import WIRES

Key = TypeVar("Key", bound=Hashable)
PARTS = ("peace", "stop", "resume")
DATA_DIR = Path(os.environ.get("ATENDE_DATA_DIR", ".atende")).resolve()
UHUM = DATA / "speech" / "brief" / "pt_uhum.wav"
LEVEL_DBFS = -20.0


@dataclass(frozen=True)
class Size:
    """How much is measured, and what has to hold."""

    word_s: float
    speech_sets: tuple[str, ...]
    interruptions: int
    interruptions_least: int
    """So many must be left after those during which the machine was late."""
    per_call: int
    calls: dict[str, int]
    """Left in peace at once, by wire."""
    turns: int
    coughs: int
    uhums: int
    wires_at_once: bool
    held_p50_ms: float
    held_p95_ms: dict[str, float]
    resumed_ms: float
    pacing_p99_ms: float
    inside_p95_ms: float


FULL = Size(
    word_s=0.25,
    speech_sets=("first", "second"),
    interruptions=60,
    interruptions_least=30,
    per_call=5,
    calls=dict.fromkeys(WIRES, 20),
    turns=4,
    coughs=12,
    uhums=6,
    wires_at_once=False,
    held_p50_ms=220,
    held_p95_ms={"unicast": 250, "audio_fork": 250, "audio_stream": 280},
    resumed_ms=400,
    pacing_p99_ms=5,
    inside_p95_ms=25,
)
QUICK = Size(
    word_s=0.1,
    speech_sets=("first",),
    interruptions=10,
    interruptions_least=5,
    per_call=2,
    calls={"unicast": 20, "audio_fork": 5, "audio_stream": 5},
    turns=1,
    coughs=2,
    uhums=2,
    wires_at_once=True,
    held_p50_ms=250,
    held_p95_ms={"unicast": 320, "audio_fork": 320, "audio_stream": 350},
    resumed_ms=500,
    pacing_p99_ms=8,
    inside_p95_ms=35,
)
"""Ten are no sample of a 95th percentile, and three wires at once disturb each other: these catch what is broken."""
UNMATCHED_SHARE = 0.05
"""Of what is timed, so much may lack its other moment; who drops more tells of the rest alone."""
AGAIN_MS = 180
"""May be heard twice beside the word that was cut: what a wire had not played when it was told to forget it."""


def main() -> int:
    """Run the parts and judge them; the exit code."""
    parser = options_of(__doc__)
    parser.add_argument("--only", choices=PARTS, action="append")
    parser.add_argument("--level", type=float, default=LEVEL_DBFS, help="of the callers' speech, dBFS")
    options = parser.parse_args()
    size = QUICK if options.quick else FULL

    def measure(report: Report, out: Console) -> None:
        report.add("load_before", os.getloadavg()[0])
        report.add("speech_level_dbfs", options.level, "dBFS")
        asyncio.run(Bench(report, size, options.level, out).run(tuple(options.only or PARTS)))

    return judged("wires", options, measure)


class Bench:
    """One run."""

    def __init__(self, report: Report, size: Size, level_dbfs: float, out: Console) -> None:
        self._report, self._size, self._out = report, size, out
        recordings = [u.path for name in size.speech_sets for u in utterances(name)]
        self._speech = [at_level(load_sound(path), level_dbfs) for path in recordings][: size.interruptions]
        uhum = at_level(load_sound(UHUM), level_dbfs)
        coughs = (at_level(cough(seed), level_dbfs) for seed in range(2, 2 + size.coughs))
        self._noises = {COUGHER: list(coughs), LISTENER: [uhum] * size.uhums}
        self._frames = wire_calls.frames_of(size.word_s)
        self._again_ms = size.word_s * 1000 + AGAIN_MS
        self._unrecorded = self._failed = 0
        self._inside: dict[str, list[Rung]] = {wire: [] for wire in WIRES}
        """Calls in which the service's own part was told by its probes."""

    async def run(self, parts: tuple[str, ...]) -> None:
        """The parts that were asked for."""
        with tempfile.TemporaryDirectory() as name, ReferenceClock() as self._clock:
            folder = Path(name)
            environ = {
                "ATENDE_TENANTS_DIR": str(wire_calls.tenants_folder(folder / "tenants", self._size.word_s)),
                "ATENDE_DATA_DIR": str(folder / "data"),
                "ATENDE_MODELS_DIR": str(DATA_DIR / "models"),
                "ATENDE_WIRES": ",".join(WIRES),
                "ATENDE_MEDIA_SOCKET_PORT": "0",
            }
            async with served(environ, probed=True) as self._service:
                # What the peer imports for a wire is no part of what is measured.
                ahead = (wire_calls.in_peace(self._service, wire, 1, 0, (), self._clock) for wire in WIRES)
                await asyncio.gather(*ahead)
                for part, measure in (("peace", self._peace), ("stop", self._stop), ("resume", self._resume)):
                    if part in parts:
                        self._out.print(f"{part} …")
                        await measure()
                self._own_share()
            reference = self._clock.report()
        self._report.add("calls_without_record", self._unrecorded, most=0)
        self._report.add("calls_not_ended_by_the_caller", self._failed, most=0)
        self._report.add("reference_p99_ms", reference.p99_ms, "ms")
        self._report.add("excluded_share", reference.excluded_share, most=0.01)

    async def _each(self, keys: Sequence[Key], ring: Callable[[Key], Awaitable[list[Rung]]]) -> dict[Key, list[Rung]]:
        """The calls of each wire: one wire after the other, or all at once."""
        if self._size.wires_at_once:
            calls = dict(zip(keys, await asyncio.gather(*map(ring, keys)), strict=True))
        else:
            calls = {key: await ring(key) for key in keys}
        for key, rung in calls.items():
            self._unrecorded += sum(one.record is None for one in rung)
            reasons = [one.record.end_reason for one in rung if one.record is not None]
            otherwise = Counter(reason for reason in reasons if reason != "caller_hangup")
            self._failed += otherwise.total()
            self._report.notes += [f"{key}: {count} calls ended by {reason}" for reason, count in otherwise.items()]
        return calls

    async def _peace(self) -> None:
        """Nobody is interrupted: how even the audio comes, and whether all of it does."""
        size = self._size

        def ring(wire: str) -> Awaitable[list[Rung]]:
            return wire_calls.in_peace(self._service, wire, size.calls[wire], size.turns, self._speech, self._clock)

        # The fewer calls of the other wires must not disturb unicast's twenty.
        calls = await self._each(WIRES[:1], ring) | await self._each(WIRES[1:], ring)
        pacing = wire_figures.pacing_ms(calls["unicast"], self._clock)
        self._report.add("unicast_calls", len(calls["unicast"]), least=20)
        self._report.add("unicast_pacing_error_p50_ms", percentile(pacing, 0.5), "ms")
        self._report.add("unicast_pacing_error_p99_ms", percentile(pacing, 0.99), "ms", most=size.pacing_p99_ms)
        for wire, rung in calls.items():
            self._sentences(wire, rung)
        ran_empty = sum(one.result.downlink.ran_empty for one in calls["audio_fork"])
        self._report.add("audio_fork_ran_empty", ran_empty, most=0)

    def _sentences(self, wire: str, rung: Sequence[Rung]) -> None:
        expected = len(rung) * (1 + self._size.turns)
        found = wire_figures.sentences(rung, self._frames, self._clock)
        self._report.add(f"{wire}_sentences", found.heard, least=expected)
        self._report.add(f"{wire}_sentences_not_whole", found.heard - found.whole, most=0)
        self._report.add(f"{wire}_gaps", found.gaps, most=0)
        self._report.add(f"{wire}_longest_gap_ms", found.longest_gap_ms, "ms")
        errors = sum(len(one.record.errors) + len(one.result.hazards) for one in rung if one.record is not None)
        self._report.add(f"{wire}_errors", errors, most=0)
        self._report.add(f"{wire}_peer_late_max_ms", max(one.result.uplink.late_max_ms for one in rung), "ms")
        self._inside[wire] += rung

    async def _stop(self) -> None:
        """How soon the assistant is silent when the caller speaks over it."""

        def ring(wire: str) -> Awaitable[list[Rung]]:
            return wire_calls.talked_over(self._service, wire, self._speech, self._size.per_call, self._clock)

        for wire, rung in (await self._each(WIRES, ring)).items():
            held = wire_figures.held(rung, self._clock)
            self._report.add(f"{wire}_interruptions", len(held.ms), least=self._size.interruptions_least)
            self._report.add(f"{wire}_held_p50_ms", percentile(held.ms, 0.5), "ms", most=self._size.held_p50_ms)
            self._report.add(f"{wire}_held_p95_ms", percentile(held.ms, 0.95), "ms", most=self._size.held_p95_ms[wire])
            self._left_out(f"{wire}_held", held)
            self._inside[wire] += rung

    async def _resume(self) -> None:
        """A cough or an "uhum" over a sentence: it goes on with the first word that was not heard whole."""

        def ring(key: tuple[str, str]) -> Awaitable[list[Rung]]:
            wire, number = key
            return wire_calls.disturbed(self._service, wire, number, self._noises[number], self._clock)

        keys = [(wire, number) for number in self._noises for wire in WIRES]
        for (wire, number), rung in (await self._each(keys, ring)).items():
            what = "cough" if number == COUGHER else "uhum"
            self._disturbed(f"{wire}_{what}", len(self._noises[number]), rung)

    def _disturbed(self, name: str, noises: int, rung: Sequence[Rung]) -> None:
        every = wire_figures.disturbances(rung, self._frames, " ".join(WORDS))
        held = [one.found for one in every if one.found.held]
        waits = [found.resumed_s * 1000 for found in held if found.whole]
        again = [found.again * FRAME_S * 1000 for found in held if found.whole]
        lost = [max(0.0, -ms) for ms in again]
        self._report.add(f"{name}s", len(every), least=noises)
        # One that the detector takes for noise interrupts nothing; half of them have to, or nothing is measured.
        self._report.add(f"{name}s_held", len(held), least=noises / 2)
        self._report.add(f"{name}s_broken_off", sum(not one.found.whole for one in every), most=0)
        self._report.add(f"{name}_resumed_p50_ms", percentile(waits, 0.5), "ms")
        self._report.add(f"{name}_resumed_max_ms", max(waits, default=math.nan), "ms", most=self._size.resumed_ms)
        self._report.add(f"{name}_said_again_max_ms", max(again, default=math.nan), "ms", most=self._again_ms)
        self._report.add(f"{name}_never_said_ms", max(lost, default=math.nan), "ms", most=0)
        self._report.add(f"{name}_turns", sum(one.turns for one in every), most=0)
        self._report.add(f"{name}s_told_as_broken", sum(not one.told_whole for one in every), most=0)

    def _own_share(self) -> None:
        """What of it is the service's own way: in to the detector's verdict, and out from the voice."""
        for wire, rung in self._inside.items():
            found = wire_figures.mouth_to_vad(rung, self._service.notes, self._clock)
            out = wire_figures.voice_to_wire(rung, self._service.notes, self._clock)
            for name, spans in (("mouth_to_vad", found), ("tts_to_wire", out)):
                if rung:
                    self._report.add(f"{wire}_{name}", len(spans.ms), least=self._size.interruptions_least)
                    self._report.add(f"{wire}_{name}_p50_ms", percentile(spans.ms, 0.5), "ms")
                    most = self._size.inside_p95_ms
                    self._report.add(f"{wire}_{name}_p95_ms", percentile(spans.ms, 0.95), "ms", most=most)
                    self._left_out(f"{wire}_{name}", spans)

    def _left_out(self, name: str, spans: wire_figures.Spans) -> None:
        """What the figures of these do not hold, and why."""
        self._report.add(f"{name}_late", spans.late)
        self._report.add(f"{name}_unmatched_share", spans.unmatched_share, most=UNMATCHED_SHARE)


if __name__ == "__main__":
    sys.exit(main())
