"""Two processes that take calls, and one for the REST API: whatever happens to one, the calls of the other go on.

One node is shared, in this order: each test leaves it well.
"""

import asyncio
import os
import re
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from control.peer import Switch
from control.workers.presence import READ_S, RENEW_S
from tests.control.api.house import ACME, BRAVO, SLUGS, document, folder_of_tenants
from tests.control.workers.node import FILE, LOOK_S, Node, Ringing, add_plugin, alive, node, ringing
from tests.pipelines.virtual import eventually

pytestmark = pytest.mark.postgres

STUCK_FILE = "stuck"
COMPANYS_CALLS, BRAVOS_CALLS = 8, 3
ANY_LOAD = {"max_lateness_ms": "1000", "max_loop_load": "100"}
"""What others do on the machine is no reason to refuse a call."""
KNOWN_S = READ_S + RENEW_S + 0.5
"""By then each process has told of its calls, and has read of the other's."""


@pytest.fixture(scope="module")
def served() -> Iterator[Node]:
    folder = folder_of_tenants()
    add_plugin(folder)
    stuck = f"{{id: brand, use: filter.acme_stuck, config: {{when: {folder / STUCK_FILE}}}}}"
    for tenant_id, slug in SLUGS.items():
        # Callers say nothing, and on a machine that others use they do so for long.
        limits = f"{{silence_s: 300, max_concurrent_calls: {BRAVOS_CALLS if tenant_id == BRAVO else 100}}}"
        text = document(tenant_id).replace("    pipeline:", f"    limits: {limits}\n    pipeline:")
        if tenant_id == BRAVO:
            text = text.replace("      - {id: tts,", f"      - {stuck}\n      - {{id: tts,")
        (folder / "tenants" / f"{slug}.yaml").write_text(text)
    try:
        with node(folder, plugins="acme-stuck", tenant_max_calls=str(COMPANYS_CALLS), **ANY_LOAD) as running:
            yield running
    finally:
        shutil.rmtree(folder)


def of(calls: list[Ringing], process: str) -> list[Ringing]:
    return [one for one in calls if one.process == process]


async def test_calls_are_spread_and_what_an_operator_does_reaches_the_process_that_has_the_call(served: Node) -> None:
    await served.all_well()
    async with ringing(served, 6) as calls:
        processes = sorted({one.process for one in calls})
        assert len(processes) == 2
        ids = {one.call.call_id for one in calls}
        assert set(await served.live_calls()) == ids
        said = f"/api/v1/live-calls/{calls[0].call.call_id}"
        assert (await served.ask("POST", f"{said}/say", json={"text": "We close at nine."})).status_code == 204
        heard: list[str] = []

        async def transcript() -> list[str]:
            detail = (await served.ask("GET", said)).raise_for_status().json()
            return [turn["text"] for turn in detail["transcript"]]

        async with asyncio.timeout(15):
            while "We close at nine." not in heard:
                await asyncio.sleep(LOOK_S)
                heard = await transcript()
        for process in processes:
            one = of(calls, process)[-1]
            path = f"/api/v1/live-calls/{one.call.call_id}/hang-up"
            assert (await served.ask("POST", path)).status_code == 204
            assert (await one.task).ended_by == "service"
            assert (await served.ask("POST", path)).status_code == 404
        nobody = await served.ask("GET", "/api/v1/live-calls/0f0f0f0f-0000-4000-8000-000000000009")
        assert nobody.status_code == 404
        bad = await served.ask("POST", f"{said}/transfer", json={"number": "sip:evil"})
        assert (bad.status_code, bad.json()["errors"][0]["path"]) == (400, "$.number")
    await eventually(lambda: served.ready()["live_calls"] == 0, 10, pause_s=LOOK_S)


async def test_limits_are_for_both_processes_together(served: Node) -> None:
    await served.all_well()
    for tenant_id, limit, reason in ((ACME, COMPANYS_CALLS, "tenant_calls"), (BRAVO, BRAVOS_CALLS, "assistant_calls")):
        async with ringing(served, limit, tenant_id=tenant_id) as calls, Switch(*served.door) as switch:
            assert len({one.process for one in calls}) == 2
            await asyncio.sleep(KNOWN_S)
            before = await refusals(served, reason)
            for _ in range(2):
                refused = await served.ring(switch, wait_s=1, tenant_id=tenant_id).task
                assert (refused.ended_by, refused.door, refused.answered) == ("dialplan", "busy", False)
            assert await refusals(served, reason) - before == 2
            assert all(one.goes_on for one in calls)
            calls[0].call.hang_up()
            await calls[0].task
            await asyncio.sleep(KNOWN_S)
            late = served.ring(switch, tenant_id=tenant_id)
            await eventually(lambda: late.greeted, 15)  # noqa: B023
            late.call.hang_up()
            await late.task


async def refusals(served: Node, reason: str) -> float:
    """Of all processes that take calls, as their metrics tell them."""
    targets = (await served.ask("GET", "/metrics/targets")).json()
    media = [one["targets"][0] for one in targets if one["labels"]["atende_role"] == "media"]
    assert len(media) == 2
    texts = [served.client.get(f"http://{one}/metrics").text for one in media]
    labels = re.escape(f'{{door="busy",reason="{reason}"}}')
    return sum(
        float(found) for text in texts for found in re.findall(rf"atende_calls_refused_total{labels} (\S+)", text)
    )


async def test_each_process_is_there_for_prometheus_and_answers_no_stranger(served: Node) -> None:
    targets = (await served.ask("GET", "/metrics/targets")).json()
    assert sorted(one["labels"]["atende_role"] for one in targets) == ["control", "jobs", "media", "media"]
    own = (await served.ask("GET", "/metrics")).text
    assert "atende_live_calls 0.0" in own
    assert "atende_taking_calls" not in own, "an alert says that somebody takes no calls who should"
    others = {f"http://{one['targets'][0]}": one["labels"]["atende_role"] for one in targets}
    tells = {
        "media": "atende_taking_calls 1.0",
        "jobs": 'atende_jobs_ended_total{kind="retention",outcome="failed"} 0.0',
    }
    for url, role in others.items():
        if role == "control":
            continue
        there = served.url
        served.url = url
        try:
            assert tells[role] in (await served.ask("GET", "/metrics")).text
            assert (await served.ask("GET", "/internal/v1/live-calls")).status_code == 404
            forged = {"Atende-Signature": f"1.abc.{'0' * 64}"}
            assert (await served.ask("GET", "/internal/v1/live-calls", headers=forged)).status_code == 404
            assert (await served.ask("GET", "/api/v1/live-calls")).status_code == 404, "it has no REST API"
        finally:
            served.url = there


async def test_jobs_have_a_process_of_their_own_without_models_whose_death_is_nobody_elses(served: Node) -> None:
    takers = {one["pid"] for one in await served.all_well()}
    before = (await jobs_process(served))["pid"]
    assert not loads_models(before)
    assert all(map(loads_models, takers)), "of others it would be seen"
    await everything_was_done(served)
    async with ringing(served, 2) as calls:
        os.kill(before, signal.SIGKILL)
        await eventually(lambda: not alive(before), 10)
        assert (await jobs_process(served, other_than=before))["pid"] != before
        assert all(one.goes_on for one in calls)
        assert {one["pid"] for one in await served.all_well()} == takers
    # What it had in hand, or was due, is done by its successor.
    told = (served.folder / "output").read_text()
    assert "process=jobs-0" in told
    assert served.ready()["ready"]
    [queue] = [one for one in served.ready()["dependencies"] if one["name"] == "jobs"]
    assert queue["state"] == "ok"


async def jobs_process(served: Node, other_than: int = 0) -> dict[str, Any]:
    """The one that does jobs, once it says that it does."""
    found: list[dict[str, Any]] = []

    def there() -> bool:
        found[:] = [one for one in served.ready().get("processes", []) if one["role"] == "jobs"]
        return [one["state"] for one in found] == ["ok"] and found[0]["pid"] != other_than

    await eventually(there, 60, pause_s=LOOK_S)
    return found[0]


def loads_models(pid: int) -> bool:
    """Whether the process has the library on which every model of ours runs."""
    return "onnxruntime" in Path(f"/proc/{pid}/maps").read_text()


async def everything_was_done(served: Node) -> None:
    """What there is to do at a first start was done, and is told by the REST API. Of companies there may be none yet:
    another process stores them.
    """
    async with asyncio.timeout(60):
        while True:
            kinds = (await served.ask("GET", "/api/v1/jobs/kinds")).raise_for_status().json()["items"]
            if {one["kind"] for one in kinds if one["done_last_day"]} >= {"events", "upkeep"}:
                break
    assert (await served.ask("GET", "/api/v1/jobs")).raise_for_status().json()["items"] == []
    [recordings] = [one for one in kinds if one["kind"] == "recordings"]
    assert recordings["node"], "each node has its own"


async def test_what_is_put_answers_in_every_process(served: Node) -> None:
    path = f"/api/v1/tenants/{ACME}/document"
    etag = (await served.ask("GET", path)).headers["etag"]
    put = await served.ask("PUT", path, headers={"If-Match": etag}, content=document(ACME, greeting="Good day"))
    assert (put.status_code, put.json()["revision"]) == (200, 2)
    async with asyncio.timeout(10):
        while True:
            async with ringing(served, 4) as calls:
                two = {(one.process, one.call.machine.channel.variables.get("atende_revision")) for one in calls}
                if two == {(one.process, "2") for one in calls} and len(two) == 2:
                    break
    assert (served.folder / "tenants" / "acme.yaml").read_text() == document(ACME, greeting="Good day")


async def test_a_call_that_left_by_the_door_comes_back_to_its_own_process(served: Node) -> None:
    async with ringing(served, 6, files={FILE: 5.0}) as calls:
        before = [one.process for one in calls]
        assert len(set(before)) == 2
        for one in calls:
            one.call.other_plays(FILE)  # which ends unicast: its audio needs a fresh park
            await eventually(lambda: one.call._doors == ["again"] and one.call.machine.is_connected, 10)  # noqa: B023
        assert [one.process for one in calls] == before
        assert set(await served.live_calls()) == {one.call.call_id for one in calls}, "the same sessions go on"
        assert all(one.goes_on for one in calls)


async def test_killed_its_calls_go_on_in_the_dialplan_and_those_of_the_other_with_us(served: Node) -> None:
    victim, survivor = await served.all_well()
    async with ringing(served, 6) as calls:
        first, second = sorted({one.process for one in calls})
        os.kill(victim["pid"], signal.SIGKILL)
        await eventually(lambda: any(not one.goes_on for one in calls), 10)
        dead = first if any(not one.goes_on for one in of(calls, first)) else second
        for one in of(calls, dead):
            result = await asyncio.wait_for(one.task, 10)
            assert (result.ended_by, result.door) == ("dialplan", "failed")
        others = [one for one in calls if one.process != dead]
        assert others
        assert all(one.goes_on for one in others)
        assert {one["pid"] for one in await served.all_well()} & {victim["pid"], survivor["pid"]} == {survivor["pid"]}
        assert set(await served.live_calls()) == {one.call.call_id for one in others}
        assert all(one.goes_on for one in others)
        await stored(served, [one.call.call_id for one in of(calls, dead)], "lost")
    await stored(served, [one.call.call_id for one in others], "caller_hangup")


async def stored(served: Node, calls: list[str], end_reason: str) -> None:
    """Their records are in the database, and say so."""
    async with asyncio.timeout(30):
        for call in calls:
            path = f"/api/v1/calls/{call}?domain_uuid={ACME}"
            while (answer := await served.ask("GET", path)).status_code == 404:  # noqa: ASYNC110 - it has no event
                await asyncio.sleep(LOOK_S)
            assert answer.json()["end_reason"] == end_reason


async def test_the_models_process_is_started_anew_and_no_call_hears_of_it(served: Node) -> None:
    await served.all_well()

    def models() -> str | None:
        found = {one["name"]: one["state"] for one in served.ready().get("dependencies", ())}
        return found.get("model server")

    assert models() == "ok"
    former = served.models_pid()
    async with ringing(served, 2) as calls:
        os.kill(former, signal.SIGKILL)
        await eventually(lambda: models() == "down", 10, pause_s=LOOK_S)
        await eventually(lambda: models() == "ok", 60, pause_s=LOOK_S)
        assert served.models_pid() != former
        assert all(one.goes_on for one in calls)
        assert len(await served.live_calls()) == 2
    await served.all_well()


async def test_one_that_hangs_is_killed_says_where_and_another_takes_its_place(served: Node) -> None:
    before = {one["pid"] for one in await served.all_well()}
    async with ringing(served, 4) as calls, Switch(*served.door) as switch:
        (served.folder / STUCK_FILE).touch()
        unlucky = served.ring(switch, tenant_id=BRAVO)  # whose stage computes where it should wait
        await eventually(lambda: any(not one.goes_on for one in calls), 20)
        (served.folder / STUCK_FILE).unlink()
        dead = next(one.process for one in calls if not one.goes_on)
        for one in [unlucky, *of(calls, dead)]:
            result = await asyncio.wait_for(one.task, 10)
            assert (result.ended_by, result.door) == ("dialplan", "failed")
        others = [one for one in calls if one.process != dead]
        assert others
        assert all(one.goes_on for one in others)
        assert len({one["pid"] for one in await served.all_well()} & before) == 1
    told = (served.folder / "output").read_text()
    assert told.index("a process hangs and is killed") < told.index("acme_stuck.py")


async def test_every_process_is_relieved_and_no_call_is_dropped(served: Node) -> None:
    before = {one["pid"] for one in await served.all_well()}
    models = served.models_pid()
    async with ringing(served, 4) as calls:
        served.process.send_signal(signal.SIGHUP)
        # The first fresh one is there, and the former drains with the calls that it has.
        await eventually(lambda: len(served.media("draining")) == 1, 60, pause_s=LOOK_S)
        async with ringing(served, 2) as late:
            assert {one.process for one in late} & {one.process for one in calls} != {one.process for one in calls}
        for one in calls:
            assert one.goes_on
            one.call.hang_up()
            assert (await one.task).ended_by == "caller"
        await eventually(lambda: not any(map(alive, before)), 90)
    after = {one["pid"] for one in await served.all_well()}
    assert not after & before
    assert served.models_pid() != models
    async with ringing(served, 2) as calls:
        assert all(one.goes_on for one in calls)


async def test_one_that_is_told_to_stop_keeps_its_calls_takes_no_other_and_has_a_successor(served: Node) -> None:
    victim, other = await served.all_well()
    async with ringing(served, 4) as calls:
        os.kill(victim["pid"], signal.SIGTERM)
        draining = [victim["pid"]]
        await eventually(lambda: [one["pid"] for one in served.media("draining")] == draining, 10, pause_s=LOOK_S)
        async with ringing(served, 3) as late:
            (taker,) = {one.process for one in late}
            own = [one for one in calls if one.process != taker]
            assert own, "it had calls"
            assert all(one.goes_on for one in calls)
        host, _, port = own[0].process.partition(":")
        async with Switch(host, int(port)) as switch:
            turned_away = await asyncio.wait_for(served.ring(switch, wait_s=1).task, 15)
        assert (turned_away.ended_by, turned_away.answered) == ("dialplan", False), "at its own address neither"
        assert alive(victim["pid"])
        for one in own:
            one.call.hang_up()
            assert (await one.task).ended_by == "caller"
        await eventually(lambda: not alive(victim["pid"]), 15)
        pids = {one["pid"] for one in await served.all_well()}
        assert (victim["pid"] in pids, other["pid"] in pids) == (False, True)
        assert all(one.goes_on for one in calls if one.process == taker)
    async with ringing(served, 4) as calls:
        assert len({one.process for one in calls}) == 2, "the successor takes calls, too"
    await stored(served, [one.call.call_id for one in own], "caller_hangup")


async def test_told_to_stop_it_takes_no_call_lets_those_that_live_end_and_is_gone(served: Node) -> None:
    await served.all_well()
    async with ringing(served, 3) as calls:
        served.process.send_signal(signal.SIGTERM)
        await eventually(lambda: len(served.media("draining")) == 2, 10, pause_s=LOOK_S)
        async with Switch(*served.door) as switch:
            refused = await served.ring(switch, wait_s=1).task
        assert (refused.ended_by, refused.door, refused.answered) == ("dialplan", "busy", False)
        assert all(one.goes_on for one in calls)
        for one in calls:
            one.call.hang_up()
            assert (await one.task).ended_by == "caller"
    async with asyncio.timeout(40):
        assert await asyncio.to_thread(served.process.wait) == 0


async def test_without_its_parent_a_process_gives_its_calls_back_and_ends() -> None:
    folder = folder_of_tenants()
    try:
        with node(folder, workers=1) as orphaned:
            await jobs_process(orphaned)  # the last to begin
            pids = [orphaned.models_pid(), *(one["pid"] for one in orphaned.ready()["processes"])]
            assert len(pids) == 4, "models, REST API, calls and jobs"
            async with ringing(orphaned, 2) as calls:
                orphaned.process.kill()
                for one in calls:
                    result = await asyncio.wait_for(one.task, 15)
                    assert (result.ended_by, result.door) == ("dialplan", "failed")
            await eventually(lambda: not any(map(alive, pids)), 30)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
