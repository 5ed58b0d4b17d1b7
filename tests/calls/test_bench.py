"""`atende bench calls` against a whole service: what it tells is what its callers heard."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from control.cli.bench import bench_command
from control.peer import HangUp, ReferenceClock, Script, Wait
from control.peer.load import Load, LoadPlan
from control.settings import Settings
from tenants.signing import sign
from tests.calls.callers import NUMBER, RECORDINGS, TENANT, document
from tests.calls.house import CALL_OVER_S, House, house
from transports.freeswitch.words import WIRES, Wire

SCRIPT = """\
steps:
  - {interrupt: {after_ms: 600, say: RECORDINGS/en_10.wav}}
  - {wait_for: {what: speech_end, quiet_ms: 300, limit_s: 8}}
  - hang_up
"""
GREETED = """\
steps:
  - {wait_for: {what: speech_end, quiet_ms: 100, limit_s: 8}}
  - hang_up
"""
LONG = "One two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen"


async def settled(home: House) -> None:
    """The service is done with every call."""
    async with asyncio.timeout(CALL_OVER_S):
        for call_id in home.log.opened_calls:
            await home.served[call_id].wait()
            await home.stored[call_id].wait()


async def in_a_house(
    home: House, tmp_path: Path, *arguments: str, steps: str = SCRIPT
) -> tuple[int, str, dict[str, Any]]:
    """The command in a thread with a loop of its own, as it would be in another process."""
    script, report = tmp_path / "talk.yaml", tmp_path / "report.json"
    script.write_text(steps.replace("RECORDINGS", str(RECORDINGS)))
    host, port = home.door.address
    where = ("--host", host, "--port", str(port), "--script", str(script), "--json", str(report))
    who = ("--tenant-id", TENANT, "--number", NUMBER, "--sig", sign(home.keys, TENANT, NUMBER))
    result = await asyncio.to_thread(
        CliRunner().invoke, bench_command, ("calls", *who, *where, *arguments), obj=Settings()
    )
    await settled(home)
    return result.exit_code, result.output, json.loads(report.read_bytes())


@pytest.mark.parametrize("wire", WIRES)
async def test_a_house_is_measured_by_what_its_callers_hear(wire: Wire, tmp_path: Path) -> None:
    async with house(document(llm={"answers": ["All right"]}, texts={"greeting": LONG})) as home:
        at_once = ("-n", "2", "--ramp", "10", "--seconds", "1")
        code, output, found = await in_a_house(home, tmp_path, *at_once, "--wire", wire)
        assert code == 0, output
        assert found["ok"] == found["made"] == found["most_at_once"] == len(home.log.opened_calls) == 2
        assert home.media_server.taken == (0 if wire == "unicast" else 2)
    for name in ("answer", "greeting", "response", "interruption"):
        assert found[name]["count"] == 2, name
        assert 0 < found[name]["p50_ms"] <= found[name]["p95_ms"] <= found[name]["p99_ms"] <= found[name]["max_ms"]
    assert found["interruption"]["p50_ms"] < 1000
    if wire == "audio_stream":
        assert (found["cadence"], found["silences"]) == (None, 0), "its messages become files: they owe no beat"
    else:
        assert found["cadence"]["count"] > 100
        assert found["cadence"]["p50_ms"] < 20
    assert found["void"] is (found["peer"]["excluded_share"] > 0.01)


async def test_a_house_that_takes_one_call_refuses_the_others(tmp_path: Path) -> None:
    async with house(document(limits={"max_concurrent_calls": 1})) as home:
        at_once = ("-n", "3", "--seconds", "1", "--ramp", "5")
        code, _, found = await in_a_house(home, tmp_path, *at_once, steps=GREETED)
        assert code == 0
        assert found["ok"] >= 1
        assert found["refused"]["door busy"] >= 2


async def test_a_caller_who_has_hung_up_is_followed_by_the_next(tmp_path: Path) -> None:
    async with house(document()) as home:
        code, output, found = await in_a_house(home, tmp_path, "-n", "1", "--seconds", "1.5", steps=GREETED)
        assert code == 0, output
        assert found["ok"] == found["made"] == len(home.log.opened_calls) >= 2
        assert found["most_at_once"] == 1


async def test_calls_that_outlive_the_time_have_their_grace_and_are_hung_up_then() -> None:
    async with house(document()) as home:
        with ReferenceClock() as reference:
            script = Script(steps=(Wait(60), HangUp()))
            plan = LoadPlan(dialed=home.dialed(), script=script, calls=2, seconds=0.6, ramp_per_s=10, grace_s=0.6)
            load = Load(home.switch, plan, reference)
            async with asyncio.timeout(10):
                await load.run()
            found = load.report()
        assert (found.made, found.ok, found.cut, found.stopped, load.live) == (2, 2, 0, False, 0)
        assert found.greeting is not None, "they were heard until then"
        await settled(home)
