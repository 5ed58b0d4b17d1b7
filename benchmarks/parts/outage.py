"""PostgreSQL is stopped under live calls, and comes again; see `benchmarks.control`."""

import asyncio
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import httpx
from rich.console import Console

from benchmarks.parts.callers import DATA
from benchmarks.parts.judge import Report, percentile
from benchmarks.parts.serving import Serving, serving
from control.peer import CallResult, HangUp, Hears, Say, Script, Switch, Wait, WaitFor

TENANTS: Final = 4
STAGGER_S: Final = 0.1
TURN_S: Final = 4.0
"""About so long a caller's question, the wait and the answer take."""
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


@dataclass
class Seen:
    """What `ready` told: when (monotonic), whether it was ready, and the database's state; and how long it took."""

    told: list[tuple[float, bool, str]] = field(default_factory=list)
    took_ms: list[float] = field(default_factory=list)
    unanswered: int = 0

    def first(self, state: str, since: float) -> float:
        """Seconds from then on until that state was told; infinite: it never was."""
        return next((at - since for at, _, found in self.told if at >= since and found == state), float("inf"))


async def measure_outage(report: Report, calls: int, outage_s: float, folder: Path, out: Console) -> None:
    """With so many live calls."""
    async with serving(folder, TENANTS) as service:
        seen, over = Seen(), asyncio.Event()
        polling = asyncio.create_task(_poll(service, seen, over))
        async with Switch("127.0.0.1", service.esl_port) as switch:
            out.print(f"{calls} calls …")
            live = [
                asyncio.create_task(_ring(switch, service, number, _talks(outage_s + 12.0), STAGGER_S * number))
                for number in range(calls)
            ]
            await _talking(service, live)
            out.print(f"PostgreSQL is stopped for {outage_s:g} s …")
            stopped = time.monotonic()
            await service.database.stop()
            lived = sum(not call.done() for call in live)
            meanwhile = await _ring_on(switch, service, until=stopped + outage_s)
            lived = min(lived, sum(not call.done() for call in live))
            await service.database.start()
            back = time.monotonic()
            out.print("it is back …")
            _, waited_s = await _stored(service, _answered(meanwhile), back)
            results = await asyncio.gather(*live)
            ended = time.monotonic()
        ids = _answered((*results, *meanwhile))
        fates, after_s = await _stored(service, ids, ended)
        told = {row["subject"]: row["events"] for row in await service.database.ask(TOLD)}
        over.set()
        await polling
    report.add("outage_s", back - stopped, "s")
    report.add("live_calls", lived, least=calls)
    report.add("dropped", sum(not _well(result) for result in results), most=0)
    report.add("rung_meanwhile", len(meanwhile))
    report.add("not_answered_meanwhile", sum(not _well(result) for result in meanwhile), most=0)
    report.add("records_missing", len(ids - fates.keys()), most=0)
    report.add("records_lost", sum(fate == "lost" for fate in fates.values()), most=0)
    report.add("records_of_other_ends", sum(fate != "caller_hangup" for fate in fates.values()))
    report.add("waiting_records_after_s", waited_s, "s", most=30.0)
    report.add("last_records_after_s", after_s, "s", most=30.0)
    report.add("events_missing", sum(told.get(call, 0) != 2 for call in ids), most=0)
    report.add("ready_told_away_s", seen.first("degraded", stopped), "s", most=10.0)
    report.add("ready_told_back_s", seen.first("ok", back), "s", most=10.0)
    report.add("not_ready", sum(not ready for _, ready, _ in seen.told), most=0)
    report.add("ready_unanswered", seen.unanswered)
    report.add("ready_p95_ms", percentile(seen.took_ms, 0.95), "ms")


def _talks(for_s: float) -> Script:
    """Asks again and again, and hangs up some time behind that."""
    turn = (Say(QUESTION), GREETED)
    return Script(steps=(GREETED, *turn * round(for_s / TURN_S), Wait(4.0), HangUp()), limit_s=10 * for_s + 60)


async def _ring(switch: Switch, service: Serving, number: int, script: Script, after_s: float = 0.0) -> CallResult:
    await asyncio.sleep(after_s)
    return await switch.call(service.dialed(number % TENANTS), script)


async def _ring_on(switch: Switch, service: Serving, until: float) -> list[CallResult]:
    """One caller after the other, until then."""
    ringing: list[asyncio.Task[CallResult]] = []
    while time.monotonic() < until:
        ringing.append(asyncio.create_task(_ring(switch, service, len(ringing), SHORT)))
        await asyncio.sleep(min(RING_EVERY_S, max(0.0, until - time.monotonic())))
    return list(await asyncio.gather(*ringing))


def _answered(results: Iterable[CallResult]) -> set[str]:
    return {result.call_id for result in results if result.answered}


def _well(result: CallResult) -> bool:
    return result.answered and result.ended_by == "caller" and result.door is None


async def _talking(service: Serving, live: Sequence[asyncio.Task[CallResult]]) -> None:
    """Return when all are let in that were not refused."""
    async with asyncio.timeout(AFTER_TIMEOUT_S):
        while True:
            told = (await service.client.get("/health/ready")).json()
            if told["live_calls"] >= sum(not call.done() for call in live):
                return
            await asyncio.sleep(POLL_S)


async def _poll(service: Serving, seen: Seen, over: asyncio.Event) -> None:
    while not over.is_set():
        began = time.monotonic()
        try:
            told = await service.client.get("/health/ready")
        except httpx.TransportError:  # a connection that was closed for being idle, just as it was used
            seen.unanswered += 1
            continue
        seen.took_ms.append((time.monotonic() - began) * 1000)
        states = {one["name"]: one["state"] for one in told.json()["dependencies"]}
        seen.told.append((began, told.json()["ready"], states["database"]))
        await asyncio.sleep(POLL_S)


async def _stored(service: Serving, ids: set[str], since: float) -> tuple[dict[str, str], float]:
    """How each call ended by its record, and how long after that moment all were there; what is lacking is left out."""
    fates: dict[str, str] = {}
    while time.monotonic() < since + AFTER_TIMEOUT_S and ids - fates.keys():
        fates = {row["call_id"]: row["end_reason"] for row in await service.database.ask(FATES)}
        await asyncio.sleep(POLL_S)
    return {call: fate for call, fate in fates.items() if call in ids}, time.monotonic() - since
