"""Rings a service with ever more calls until its admission, or what is measured, says that it is enough."""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from msgspec import Struct

from control.capacity.child import LOOPBACK, Child
from control.capacity.ladder import Ladder
from control.headroom import Bounds
from control.peer import Dialed, ReferenceClock, Script, Switch
from control.peer.load import Load, LoadPlan
from control.peer.tally import LoadReport
from processors.compute import usable_cores

RAMP_S: Final = 5.0
LEAST_RAMP_PER_S: Final = 2.0
LOOK_EVERY_S: Final = 1.0
RINGING_SHARE: Final = 0.2
"""Of the time in which an idle clock beside the callers was late: above it they are none that a service could have."""
PAUSE_S: Final = 0.5
"""The service has put a call away when the next one comes in its place: that is not one too many."""
CLOCK: Final = 'atende_media_clock_late_seconds{quantile="0.99"}'
REFUSED: Final = "atende_calls_refused_total{"
LOOP: Final = "atende_event_loop_load_ratio"
CPU: Final = "process_cpu_seconds_total"
FULL: Final = 'atende_full{{by="{}"}}'
LOAD: Final = 'atende_lane_load_ratio{{lane="{}"}}'
LIMITING: Final[Mapping[str, str]] = {
    "max_calls": "ATENDE_MAX_CALLS",
    "media_clock": "the media clock: this process gets its core too late",
    "event_loop": "the event loop: one core's Python",
    "stt": "speech recognition",
    "tts": "the voice",
    "assistant_calls": "the document's max_concurrent_calls",
    "tenant_calls": "ATENDE_TENANT_MAX_CALLS",
    "failed": "calls that failed",
    "ringing": "the ringing side: this machine cannot ring more calls and serve them",
    "most": "nothing: more were not tried",
    "time": "nothing: the time was over",
}
"""What stops the growth, in words; other reasons of refusals stand for themselves."""


class Plan(Struct, frozen=True, kw_only=True):
    """What is rung, and for how long."""

    dialed: Sequence[Dialed]
    """Rung in turn."""
    script: Script
    """With its sounds read."""
    first: int
    most: int
    """Calls at once."""
    hold_s: float
    """So long are all calls of a number kept going."""
    bounds: Bounds


class Rung(Struct, frozen=True, kw_only=True):
    """So many calls at once."""

    calls: int
    holds: bool
    limiting: str | None
    """Why it does not hold: a reason of refusals, `failed`, `ringing` or `media_clock`."""
    refused: int
    failed: int
    cpu_cores: float
    """What the service's process used."""
    clock_p99_ms: float
    """Lateness of its media clock."""
    loop_load: float
    """Share of its time that its event loop works."""
    response_p95_ms: float | None
    """Caller's last sample to the answer's first."""
    load: Mapping[str, float]
    """Share of its time that each lane of threads works."""


class Capacity(Struct, frozen=True, kw_only=True):
    """What was found."""

    calls: int
    """That held at once."""
    limiting: str
    """Why one more step did not hold; `most` or `time` when none failed."""
    limited_by: str
    """The same in words."""
    cores: int
    """Of this machine that this process may use."""
    settings: Mapping[str, str]
    """What to set."""
    seconds: float
    rungs: Sequence[Rung]


async def measured(service: Child, plan: Plan, until: float, tell: Callable[[str], None]) -> Capacity:
    """Grow until it is known or `until` (monotonic). `tell` hears how it goes. Raises ChildError."""
    began, ladder, rungs = time.monotonic(), Ladder(plan.first, plan.most), list[Rung]()
    dialed = list(plan.dialed)
    while (calls := ladder.next) is not None and time.monotonic() + RAMP_S + plan.hold_s < until:
        rung, made = await _rung(service, plan, calls, dialed, tell)
        dialed = dialed[made % len(dialed) :] + dialed[: made % len(dialed)]
        rungs.append(rung)
        ladder.took(holds=rung.holds)
        await _quiet(service)
    return found(rungs, over=ladder.next is None, seconds=time.monotonic() - began)


def found(rungs: Sequence[Rung], *, over: bool, seconds: float) -> Capacity:
    """What these tries say; `over`: the search came to its end."""
    held = max((rung.calls for rung in rungs if rung.holds), default=0)
    short = [rung for rung in rungs if not rung.holds]
    closest = min(short, key=lambda rung: rung.calls, default=None)
    limiting = closest.limiting if closest is not None and closest.limiting else "most" if over else "time"
    return Capacity(
        calls=held,
        limiting=limiting,
        limited_by=LIMITING.get(limiting, limiting),
        cores=usable_cores(),
        settings={"ATENDE_MAX_CALLS": str(held)} if held else {},
        seconds=round(seconds, 1),
        rungs=rungs,
    )


async def _rung(
    service: Child, plan: Plan, calls: int, dialed: Sequence[Dialed], tell: Callable[[str], None]
) -> tuple[Rung, int]:
    """So many calls for a while; also how many were rung."""
    before = await service.scraped()
    ramp_per_s = max(LEAST_RAMP_PER_S, calls / RAMP_S)
    ramp_s = calls / ramp_per_s
    with ReferenceClock() as reference:
        async with Switch(LOOPBACK, service.esl_port, reference=reference) as switch:
            load = Load(
                switch,
                LoadPlan(
                    dialed=dialed[0],
                    others=tuple(dialed[1:]),
                    script=plan.script,
                    calls=calls,
                    seconds=ramp_s + plan.hold_s + LOOK_EVERY_S,
                    ramp_per_s=ramp_per_s,
                    grace_s=0.0,
                    pause_s=PAUSE_S,
                ),
                reference,
            )
            async with asyncio.TaskGroup() as group:
                ringing = group.create_task(load.run(), name="ring")
                await asyncio.sleep(ramp_s)
                steady, since = await service.scraped(), time.monotonic()
                until, now = since + plan.hold_s, steady
                while not ringing.done() and time.monotonic() < until and not _refused(before, now):
                    await asyncio.sleep(LOOK_EVERY_S)
                    now = await service.scraped()
                    figures = f"media clock {now[CLOCK] * 1000:.1f} ms late, event loop works {now[LOOP]:.0%}"
                    tell(f"{calls} calls: {load.live} live, {figures}")
                took_s = time.monotonic() - since
                load.stop()
            report = load.report()
    refused = _refused(before, now)
    limiting = _limiting(refused, report, now, plan.bounds)
    cpu_cores = (now[CPU] - steady[CPU]) / took_s if took_s > 0 else 0.0
    return Rung(
        calls=calls,
        holds=limiting is None,
        limiting=limiting,
        refused=sum(refused.values()),
        failed=sum(report.failed.values()),
        cpu_cores=round(cpu_cores, 2),
        clock_p99_ms=round(now[CLOCK] * 1000, 1),
        loop_load=round(now[LOOP], 3),
        response_p95_ms=None if report.response is None else report.response.p95_ms,
        load={lane: round(now[LOAD.format(lane)], 3) for lane in ("stt", "tts")},
    ), report.made


def _limiting(refused: Mapping[str, int], report: LoadReport, now: Mapping[str, float], bounds: Bounds) -> str | None:
    if refused:
        return max(refused, key=lambda reason: refused[reason])
    if report.failed:
        return "failed"
    if report.peer.excluded_share > RINGING_SHARE:
        return "ringing"
    if now[CLOCK] * 1000 > bounds.max_lateness_ms:
        return "media_clock"
    # Of the present; what a lane is full of is the call more that was not rung.
    return next((by for by in ("media_clock", "event_loop") if now[FULL.format(by)]), None)


def _refused(before: Mapping[str, float], now: Mapping[str, float]) -> dict[str, int]:
    """By reason, between two looks."""
    counts: dict[str, int] = {}
    for name, value in now.items():
        if name.startswith(REFUSED) and (more := round(value - before.get(name, 0.0))) > 0:
            reason = name.partition('reason="')[2].partition('"')[0]
            counts[reason] = counts.get(reason, 0) + more
    return counts


async def _quiet(service: Child) -> None:
    """Return when no call is live, nothing is full, and what was seen of the last calls is forgotten."""
    for _ in range(30):
        now = await service.scraped()
        if not now["atende_live_calls"] and now["atende_taking_calls"]:
            return
        await asyncio.sleep(LOOK_EVERY_S)
