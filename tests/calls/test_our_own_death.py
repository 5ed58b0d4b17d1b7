"""The service dies under its calls, or is told to stop: callers go on in their dialplans, and every row is there."""

import asyncio
import signal
import sys
import time
import wave
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from control.peer import CallResult, Dialed, HangUp, Say, Script, Switch, Wait
from pipelines.calls import CallRecord
from tenants.keys import signing_keys
from tenants.signing import NUMBER_VARIABLE, SIGNATURE_VARIABLE, TENANT_VARIABLE, sign
from tests.calls.callers import NUMBER, SPEECH, TENANT, hears
from tests.calls.service_process import GREETING, rows

ROOT = Path(__file__).parents[2]
START_S = 30.0
TALKS = Script(steps=(Wait(0.4), Say(SPEECH), hears(), Say(SPEECH), Wait(20)), limit_s=20)
LISTENS = Script(steps=(Wait(20),), limit_s=20)


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


def dialed(folder: Path) -> Dialed:
    keys = signing_keys(folder, None)
    signed = {TENANT_VARIABLE: TENANT, NUMBER_VARIABLE: NUMBER, SIGNATURE_VARIABLE: sign(keys, TENANT, NUMBER)}
    return Dialed(number=NUMBER, variables=signed)


async def ended_under(service: Process, how: signal.Signals) -> tuple[list[CallResult], float, int]:
    """Calls of four ages under which the service ends: what their callers saw, and how it ended."""
    async with Switch("127.0.0.1", service.port) as switch:
        calls: list[asyncio.Task[CallResult]] = []
        for script, then_s in ((TALKS, 2.0), (LISTENS, 0.9), (LISTENS, 0.2), (LISTENS, 0.004)):
            calls.append(asyncio.create_task(switch.call(dialed(service.folder), script)))
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
        assert (record.end_reason, record.turns) == ("crash", ())
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
