"""PostgreSQL is stopped under live calls, and comes again; see `benchmarks.control`."""

import asyncio
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, NamedTuple

import httpx
from rich.console import Console

from benchmarks.parts.callers import DATA
from benchmarks.parts.judge import Report, percentile
from benchmarks.parts.serving import Serving, serving
from control.peer import CallResult, HangUp, Hears, Say, Script, Switch, Wait, WaitFor
from control.peer.call import PeerCall
from tenants.lost import LOST_AFTER_S

TENANTS: Final = 4
STAGGER_S: Final = 0.1
TURN_S: Final = 3.0
"""A caller's question, the wait and the answer take no less."""
RING_EVERY_S: Final = 2.0
POLL_S: Final = 0.25
AFTER_TIMEOUT_S: Final = 90.0
QUESTION: Final = DATA / "speech" / "first" / "en_01.wav"
GREETED: Final = WaitFor(what=Hears.SPEECH_END, quiet_ms=400, limit_s=20.0)
SHORT: Final = Script(steps=(GREETED, HangUp()), limit_s=40.0)
FATES: Final = """
SELECT call_id, end_reason FROM atende.conversations
"""
TOLD: Final = """
SELECT subject, count(*) AS events FROM atende.events WHERE kind IN ('call.started', 'call.ended') GROUP BY subject
"""
LEASES: Final = """
SELECT call_id FROM atende.live_calls JOIN atende.processes ON processes.id = process_id
"""
PROCESSES: Final = "SELECT id::text FROM atende.processes"
WORKERS: Final = 2
JUDGED_AFTER_S: Final = LOST_AFTER_S + 3.0
"""By then who is taken for lost after the outage has been."""
NO_RECORD_OF_ITS_END: Final = frozenset({"lost", "crash"})
ANSWER_P95_MS: Final = 1500.0
"""From a caller's last word to the first of the answer: two mock stages, and the end of speech (0.2 to 0.8 s)."""
READY_P95_MS: Final = 500.0
LATE_P99_MS: Final = 40.0
"""Of the frames of a call, in the worst of all calls: a database that is away is no reason for a pause in any."""


class ReadyTold(NamedTuple):
    """One answer of `/health/ready`; `at` is monotonic, `database` that dependency's state."""

    at: float
    ready: bool
    database: str
    live_calls: int
    problems: tuple[str, ...]


@dataclass
class Seen:
    """What `ready` told, and how long it took."""

    told: list[ReadyTold] = field(default_factory=list)
    took_ms: list[float] = field(default_factory=list)
    unanswered: int = 0

    def first(self, state: str, since: float) -> float:
        """Seconds from then on until that state was told; infinite: it never was."""
        return next((one.at - since for one in self.told if one.at >= since and one.database == state), float("inf"))

    def between(self, since: float, until: float) -> list[ReadyTold]:
        return [one for one in self.told if since <= one.at < until]


@dataclass
class Leases:
    """Which live calls the database tells of."""

    before: set[str]
    """While all was well."""
    live: set[str] = field(default_factory=set)
    """Of the callers who rang before the outage, those who talk on at the second look."""
    after: set[str] = field(default_factory=set)
    processes_before: set[str] = field(default_factory=set)
    processes_after: set[str] = field(default_factory=set)


async def measure_outage(report: Report, calls: int, outage_s: float, folder: Path, out: Console) -> None:
    """With so many live calls."""
    async with serving(folder, TENANTS, {"ATENDE_WORKERS": str(WORKERS)}) as service:
        seen, over = Seen(), asyncio.Event()
        polling = asyncio.create_task(_poll(service, seen, over))
        async with Switch("127.0.0.1", service.esl_port) as switch:
            out.print(f"{calls} calls …")
            rounds = round((outage_s + JUDGED_AFTER_S + 12.0) / TURN_S)
            script = _talks(rounds)
            dialed = [switch.dial(service.dialed(number % TENANTS), script) for number in range(calls)]
            live = {
                call.call_id: asyncio.create_task(_ring(switch, call, STAGGER_S * number))
                for number, call in enumerate(dialed)
            }
            leases = await _leased(service, live)
            out.print(f"PostgreSQL is stopped for {outage_s:g} s …")
            stopped = time.monotonic()
            await service.database.stop()
            lived = _going_on(live)
            meanwhile = await _ring_on(switch, service, until=stopped + outage_s)
            lived &= _going_on(live)
            await service.database.start()
            back = time.monotonic()
            out.print("it is back …")
            _, waited_s = await _stored(service, _answered(meanwhile), back)
            await asyncio.sleep(max(0.0, back + JUDGED_AFTER_S - time.monotonic()))
            await _look_again(service, live, leases)
            results = await asyncio.gather(*live.values())
            ended = time.monotonic()
        ids = _answered((*results, *meanwhile))
        fates, after_s = await _stored(service, ids, ended)
        told = {row["subject"]: row["events"] for row in await service.database.ask(TOLD)}
        over.set()
        await polling
    report.add("outage_s", back - stopped, "s")
    report.add("live_calls", len(lived), least=calls)
    report.add("dropped", sum(not _well(result) for result in results), most=0)
    report.add("rung_meanwhile", len(meanwhile), least=outage_s / RING_EVERY_S - 1)
    report.add("not_answered_meanwhile", sum(not _well(result) for result in meanwhile), most=0)
    _tell_of_talk(report, results, meanwhile, rounds)
    report.add("records_missing", len(ids - fates.keys()), most=0)
    report.add("records_lost", sum(fate in NO_RECORD_OF_ITS_END for fate in fates.values()), most=0)
    report.add("records_of_other_ends", sum(fate != "caller_hangup" for fate in fates.values()), most=0)
    report.add("waiting_records_after_s", waited_s, "s", most=30.0)
    report.add("last_records_after_s", after_s, "s", most=30.0)
    report.add("events_missing", sum(told.get(call, 0) != 2 for call in ids), most=0)
    report.add("leases_before", len(leases.before), least=calls)
    report.add("leases_judged", len(leases.live), least=calls)
    report.add("leases_lost", len(leases.live - leases.after), most=0)
    report.add("processes", len(leases.processes_before), least=WORKERS + 1)
    report.add("processes_lost", len(leases.processes_before - leases.processes_after), most=0)
    _tell_of_ready(report, seen, calls, stopped, back)


def _tell_of_talk(report: Report, results: Sequence[CallResult], meanwhile: Sequence[CallResult], rounds: int) -> None:
    """Whether they were spoken to, and in time; `rounds` is how often each of the first asked."""
    turns = [turn for result in results for turn in result.turns]
    answers = [turn.response_ms for turn in turns if turn.response_ms is not None]
    report.add("questions", len(turns), least=len(results) * rounds)
    report.add("questions_not_answered", len(turns) - len(answers), most=0)
    report.add("answer_p95_ms", percentile(answers, 0.95), "ms", most=ANSWER_P95_MS)
    report.add("not_greeted_meanwhile", sum(result.greeting_ms is None for result in meanwhile), most=0)
    late = [result.downlink.lateness.p99_ms for result in results if result.downlink.lateness is not None]
    report.add("frames_late_p99_ms", percentile(late, 0.5), "ms")
    report.add("frames_late_p99_worst_ms", percentile(late, 1.0), "ms", most=LATE_P99_MS)
    report.add("calls_without_audio", len(results) - len(late), most=0)


def _tell_of_ready(report: Report, seen: Seen, calls: int, stopped: float, back: float) -> None:
    away_s = seen.first("degraded", stopped)
    meanwhile = seen.between(stopped, back)
    untrue = [one for one in seen.between(stopped + away_s, back) if one.database == "ok"]
    report.add("ready_told_away_s", away_s, "s", most=10.0)
    report.add("ready_told_back_s", seen.first("ok", back), "s", most=10.0)
    report.add("ready_asked_meanwhile", len(meanwhile), least=(back - stopped) / (4 * POLL_S))
    report.add("ready_untrue_meanwhile", len(untrue), most=0)
    report.add("ready_live_calls_meanwhile", min((one.live_calls for one in meanwhile), default=0), least=calls)
    not_ready = [one for one in seen.told if not one.ready]
    report.add("not_ready", len(not_ready), most=0)
    for problems in sorted({one.problems for one in not_ready}):
        ats = [one.at - stopped for one in not_ready if one.problems == problems]
        report.notes.append(f"not ready {min(ats):.1f} to {max(ats):.1f} s behind the stop: {'; '.join(problems)}")
    report.add("ready_unanswered", seen.unanswered, most=2)
    report.add("ready_p95_ms", percentile(seen.took_ms, 0.95), "ms", most=READY_P95_MS)


def _talks(rounds: int) -> Script:
    """Asks so many times, and hangs up some time behind that."""
    turn = (Say(QUESTION), GREETED)
    return Script(steps=(GREETED, *turn * rounds, Wait(4.0), HangUp()), limit_s=10 * TURN_S * rounds + 60)


async def _ring(switch: Switch, call: PeerCall, after_s: float = 0.0) -> CallResult:
    await asyncio.sleep(after_s)
    return await switch.ring(call)


async def _ring_on(switch: Switch, service: Serving, until: float) -> list[CallResult]:
    """One caller after the other, until then."""
    ringing: list[asyncio.Task[CallResult]] = []
    while time.monotonic() < until:
        ringing.append(asyncio.create_task(switch.call(service.dialed(len(ringing) % TENANTS), SHORT)))
        await asyncio.sleep(min(RING_EVERY_S, max(0.0, until - time.monotonic())))
    return list(await asyncio.gather(*ringing))


def _answered(results: Iterable[CallResult]) -> set[str]:
    return {result.call_id for result in results if result.answered}


def _well(result: CallResult) -> bool:
    return result.answered and result.ended_by == "caller" and result.door is None


Live = Mapping[str, asyncio.Task[CallResult]]
"""The callers who rang before the outage, by the ids of their calls."""


def _going_on(live: Live) -> set[str]:
    return {call for call, ringing in live.items() if not ringing.done()}


async def _leased(service: Serving, live: Live) -> Leases:
    """Return when all are let in that were not refused, and the leases tell of them."""
    async with asyncio.timeout(AFTER_TIMEOUT_S):
        while True:
            leases = Leases({row["call_id"] for row in await service.database.ask(LEASES)})
            told = (await service.client.get("/health/ready")).json()
            if told["live_calls"] >= len(_going_on(live)) and _going_on(live) <= leases.before:
                leases.processes_before = {row["id"] for row in await service.database.ask(PROCESSES)}
                return leases
            await asyncio.sleep(POLL_S)


async def _look_again(service: Serving, live: Live, leases: Leases) -> None:
    """Who talks on before the look and behind it has a lease."""
    going_on = _going_on(live)
    leases.after = {row["call_id"] for row in await service.database.ask(LEASES)}
    leases.processes_after = {row["id"] for row in await service.database.ask(PROCESSES)}
    leases.live = going_on & _going_on(live)


async def _poll(service: Serving, seen: Seen, over: asyncio.Event) -> None:
    while not over.is_set():
        began = time.monotonic()
        try:
            told = await service.client.get("/health/ready")
        except httpx.TransportError:  # a connection that was closed for being idle, just as it was used
            seen.unanswered += 1
            continue
        seen.took_ms.append((time.monotonic() - began) * 1000)
        found = told.json()
        states = {one["name"]: one["state"] for one in found["dependencies"]}
        seen.told.append(
            ReadyTold(began, found["ready"], states["database"], found["live_calls"], tuple(found["problems"]))
        )
        await asyncio.sleep(POLL_S)


async def _stored(service: Serving, ids: set[str], since: float) -> tuple[dict[str, str], float]:
    """How each call ended by its record, and how long after that moment all were there; what is lacking is left out."""
    fates: dict[str, str] = {}
    while time.monotonic() < since + AFTER_TIMEOUT_S and ids - fates.keys():
        fates = {row["call_id"]: row["end_reason"] for row in await service.database.ask(FATES)}
        await asyncio.sleep(POLL_S)
    return {call: fate for call, fate in fates.items() if call in ids}, time.monotonic() - since
