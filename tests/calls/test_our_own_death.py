"""The service dies under its calls, or is told to stop: callers go on in their dialplans, and every row is there."""

import asyncio
import signal
import sys
import time
import wave
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from base.ids import TenantId
from control.peer import Callee, CallResult, Dialed, HangUp, Say, Script, Switch, Wait, WireEvent
from pipelines.calls import CallRecord
from tenants.keys import signing_keys
from tenants.signing import NUMBER_VARIABLE, SIGNATURE_VARIABLE, TENANT_VARIABLE, sign
from tests.calls.callers import NUMBER, SPEECH, TENANT, document, hears
from tests.calls.house import house
from tests.calls.service_process import GREETING, HELPS, PERSON, rows
from tests.pipelines.virtual import eventually
from transports.freeswitch.words import WIRE_VARIABLE, WIRES

ROOT = Path(__file__).parents[2]
START_S = 30.0
TALKS = Script(steps=(Wait(0.4), Say(SPEECH), hears(), Say(SPEECH), Wait(20)), limit_s=20)
LISTENS = Script(steps=(Wait(20),), limit_s=20)
AGES = (
    (TALKS, 2.0, "unicast"),
    (LISTENS, 0.9, "audio_fork"),
    (LISTENS, 0.2, "audio_stream"),
    (LISTENS, 0.004, "unicast"),
)
"""Callers, how long after each the next one comes (after the last, the end), and their wires."""


@dataclass
class Process:
    """A running service."""

    folder: Path
    port: int
    process: asyncio.subprocess.Process

    async def end(self, how: signal.Signals) -> tuple[float, int]:
        """Send a signal and wait; seconds that the end took, and the exit status."""
        began = time.monotonic()
        self.process.send_signal(how)
        async with asyncio.timeout(15):
            status = await self.process.wait()
        return time.monotonic() - began, status


@asynccontextmanager
async def serving(folder: Path) -> AsyncIterator[Process]:
    """A service on this folder; killed at the end if it lives still."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.calls.service_process", str(folder),
        cwd=ROOT, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    assert process.stdout is not None
    reading: asyncio.Task[bytes] | None = None
    try:
        async with asyncio.timeout(START_S):
            while not (line := await process.stdout.readline()).startswith(b"port "):
                assert line, "the service did not start"
        reading = asyncio.create_task(process.stdout.read())
        yield Process(folder, int(line.split()[1]), process)
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
        if reading is not None:
            await reading


def dialed(folder: Path, tenant_id: TenantId = TENANT, number: str = NUMBER, wire: str = "unicast") -> Dialed:
    signature = sign(signing_keys(folder, None), tenant_id, number)
    signed = {TENANT_VARIABLE: tenant_id, NUMBER_VARIABLE: number, SIGNATURE_VARIABLE: signature}
    return Dialed(number=number, variables={**signed, WIRE_VARIABLE: wire})


async def ended_under(service: Process, how: signal.Signals) -> tuple[list[CallResult], float, int]:
    """Calls of four ages, on all wires, under which the service ends: what their callers saw, and how it ended."""
    async with Switch("127.0.0.1", service.port) as switch:
        calls: list[asyncio.Task[CallResult]] = []
        for script, then_s, wire in AGES:
            calls.append(asyncio.create_task(switch.call(dialed(service.folder, wire=wire), script)))
            await asyncio.sleep(then_s)
        began = time.monotonic()
        took_s, status = await service.end(how)
        results = [await call for call in calls]
        assert time.monotonic() - began < 7
    for age_s, result in zip((3.104, 1.104, 0.204, 0.004), results, strict=True):
        assert result.ended_by == "dialplan"
        # Who comes just when the service stops may be told so.
        assert result.door == "failed" or (result.door == "busy" and age_s < 0.1)
        assert result.ended_ms < age_s * 1000 + 1500, "callers are not left in silence"
    return results, took_s, status


def heard(record: CallRecord) -> list[str]:
    return [turn.text for turn in record.turns if turn.role == "assistant"]


def recorded_s(folder: Path, call_id: str) -> float:
    """How much of a call is on the disk."""
    [recording] = folder.rglob(f"{call_id}.wav")
    with wave.open(str(recording)) as sound:
        return sound.getnframes() / sound.getframerate()


async def next_call_is_answered(service: Process) -> None:
    async with Switch("127.0.0.1", service.port) as switch:
        result = await switch.call(dialed(service.folder), Script(steps=(Wait(0.3), HangUp()), limit_s=10))
    assert (result.ended_by, result.answered) == ("caller", True)


async def test_killed_its_calls_go_on_and_their_rows_are_there_at_the_next_start(tmp_path: Path) -> None:
    async with serving(tmp_path) as service:
        results, _, status = await ended_under(service, signal.SIGKILL)
        assert status == -signal.SIGKILL
        assert rows(tmp_path) == {}
    async with serving(tmp_path) as service:
        await next_call_is_answered(service)
        await service.end(signal.SIGTERM)
    stored = rows(tmp_path)
    for result in results[:3]:
        record = stored.pop(result.call_id)
        assert (record.end_reason, record.turns) == ("lost", ())
        assert (record.call.tenant_id, record.call.number) == (TENANT, NUMBER)
    stored.pop(results[3].call_id, None)  # too young, perhaps, to have been let in
    assert [record.end_reason for record in stored.values()] == ["caller_hangup"]
    assert 1.5 < recorded_s(tmp_path, results[0].call_id) < 4, "all but its last second was on the disk"


async def test_told_to_stop_its_calls_are_given_back_and_written_down(tmp_path: Path) -> None:
    async with serving(tmp_path) as service:
        results, took_s, status = await ended_under(service, signal.SIGTERM)
    assert status == 0
    assert took_s < 6
    stored = rows(tmp_path)
    talked, greeted, _, _ = (stored.get(result.call_id) for result in results)
    assert talked is not None
    assert greeted is not None
    assert {record.end_reason for record in stored.values()} == {"shutdown"}
    assert {record.errors for record in stored.values()} == {()}
    assert len(stored) >= 3
    assert len(heard(talked)) == 2
    [beginning] = heard(greeted)
    assert GREETING.startswith(beginning)
    assert len(beginning.split()) in (1, 2, 3, 4)


WANTS_A_PERSON = Script(steps=(hears(), Say(SPEECH), Wait(20)), limit_s=20)


async def test_killed_while_it_rings_for_a_caller_or_while_two_talk(tmp_path: Path) -> None:
    """Who waits with our music goes on in the dialplan; who talks with a person notices nothing. On every wire."""
    rings, talks = ({PERSON: callee} for callee in (Callee(rings_s=60), Callee(rings_s=0.2, talks_s=4.0)))
    async with serving(tmp_path) as service, AsyncExitStack() as stack:
        switches = [
            await stack.enter_async_context(Switch("127.0.0.1", service.port, callees=callees))
            for callees in (rings, talks)
        ]
        waiting, talking = (
            [switch.dial(dialed(tmp_path, *HELPS, wire), WANTS_A_PERSON) for wire in WIRES] for switch in switches
        )
        tasks = [
            asyncio.create_task(switch.ring(call))
            for switch, calls in zip(switches, (waiting, talking), strict=True)
            for call in calls
        ]
        await eventually(
            lambda: all(call.machine.legs.rings and len(call.media.ears.voices) > 1 for call in waiting), 12
        )
        await eventually(lambda: all(call.machine.legs.bridged for call in talking), 12)
        killed_at = time.monotonic()
        await service.end(signal.SIGKILL)
        results = [await task for task in tasks]
    for call, result in zip(waiting, results[:3], strict=True):
        assert (result.ended_by, result.door, result.answered) == ("dialplan", "failed", True)
        assert result.ended_ms / 1000 + call.media.began < killed_at + 1.5, (
            "the music has stopped, and somebody goes on"
        )
        assert call.machine.channel.variables.get("atende_outcome") == "talking"
    for call, result in zip(talking, results[3:], strict=True):
        assert (result.ended_by, result.cause, result.hazards) == ("leg", "NORMAL_CLEARING", ())
        assert result.ended_ms / 1000 + call.media.began > killed_at + 0.5, "they talked on"
        assert call.machine.channel.variables.get("atende_outcome") == "operator"


async def test_before_its_end_the_service_tells_its_callers_that_it_cannot_go_on() -> None:
    """Whoever listens, and whoever speaks; the dialplan has them behind it."""
    async with house(document()) as home:
        greeted = asyncio.Event()

        def look(event: WireEvent) -> None:
            if event.what == "assistant_silent":
                greeted.set()

        stays = Script(steps=(hears(), Wait(20)), limit_s=25)
        speaks = Script(steps=(hears(), Say(SPEECH), Say(SPEECH), Wait(20)), limit_s=25)
        calls = [asyncio.create_task(home.ring(home.dial(script, on_event=look))) for script in (stays, speaks)]
        await greeted.wait()
        await eventually(lambda: len(home.phone._sessions._sessions) == 2)
        home.phone.drain()
        home.phone.take_leave()
        for call in await asyncio.gather(*calls):
            assert call.heard()[-1] == "Something went wrong"
            assert (call.record.end_reason, call.result.door) == ("shutdown", "failed")
            assert call.record.errors == ()
