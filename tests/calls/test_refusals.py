"""Who is not let in: the call stays unanswered, the dialplan goes on, and nothing of it stays."""

import asyncio
from collections import ChainMap
from datetime import UTC, datetime
from ipaddress import ip_network

import pytest
import structlog

from base.ids import AssistantName, TenantId
from control.daily_use import DailyUse
from control.dependencies import Room
from control.headroom import LOOKS, Bounds, LiveLane, Reading
from control.peer import HangUp, Script, Wait
from control.phone import PhoneOptions
from pipelines.spending import Spending
from processors.catalog import Stages
from processors.compute import LaneLoad
from processors.stt.mock import MockStt
from tenants.signing import NUMBER_VARIABLE, SIGNATURE_VARIABLE, TENANT_VARIABLE, new_key, sign
from tests.calls.callers import NUMBER, TENANT, document, hears, tenant
from tests.calls.house import House, Rung, house
from transports.freeswitch.call_unicast import UnicastOptions
from transports.freeswitch.words import WIRE_VARIABLE

OTHER = tenant(2)
SHORT = Script(steps=(hears(), HangUp()), limit_s=10)


def refused(call: Rung, door: str) -> None:
    """Neither answered nor written down."""
    result = call.result
    assert (result.ended_by, result.door, result.answered) == ("dialplan", door, False)
    assert result.downlink.datagrams == 0
    assert result.ended_ms < 1000
    assert result.hazards == ()
    assert call.found is None
    assert call.events == ()


async def greeted(home: House) -> None:
    """The house still answers."""
    call = await home.call(SHORT)
    assert call.heard() == ["Welcome to us"]


FORGED = {
    "no signature": {SIGNATURE_VARIABLE: ""},
    "no tenant": {TENANT_VARIABLE: ""},
    "nothing at all": {TENANT_VARIABLE: "", NUMBER_VARIABLE: "", SIGNATURE_VARIABLE: ""},
    "another number": {NUMBER_VARIABLE: "200"},
    "another tenant": {TENANT_VARIABLE: OTHER},
    "another tenant's own number": {TENANT_VARIABLE: OTHER, NUMBER_VARIABLE: "200"},
    "not a signature": {SIGNATURE_VARIABLE: "k1.zz"},
    "a key that we do not have": {SIGNATURE_VARIABLE: sign((new_key(),), TENANT, NUMBER)},
    "an injected line": {TENANT_VARIABLE: f"{TENANT}\n\nsendmsg\ncall-command: hangup"},
    "a long tenant": {TENANT_VARIABLE: "0" * 6000},
}


async def test_what_is_not_signed_by_us_is_not_let_in() -> None:
    async with house(document(), document("others", tenant_id=OTHER, number="200")) as home:
        calls = [home.call(SHORT, home.dialed(variables=variables)) for variables in FORGED.values()]
        with structlog.testing.capture_logs() as lines:
            for call in await asyncio.gather(*calls):
                refused(call, "failed")
        reasons = [line["reason"] for line in lines if line["event"] == "call refused"]
        assert reasons == ["tenant and number are not signed by a key of ours"] * len(FORGED), "and nothing broke"
        await greeted(home)


async def test_what_a_caller_can_write_decides_nothing() -> None:
    """Headers of the INVITE and a domain's name say who is called, and prove it to nobody."""
    async with house(document(), document("others", tenant_id=OTHER, number="200")) as home:
        signed = home.dialed()
        told = {"domain_name": "us.example.net", "domain_uuid": TENANT, "sip_to_host": "us.example.net"}
        forged = {f"sip_h_X-{name}": value for name, value in signed.variables.items()}
        nothing = {TENANT_VARIABLE: "", NUMBER_VARIABLE: "", SIGNATURE_VARIABLE: ""}
        refused(await home.call(SHORT, home.dialed(variables=nothing | told | forged)), "failed")
        other = {"domain_name": "others.example.net", "domain_uuid": OTHER, "sip_to_user": "200", "sip_req_user": "200"}
        call = await home.call(SHORT, home.dialed(variables=other))
        assert (call.record.call.tenant_id, call.record.call.number) == (TENANT, NUMBER)


async def test_audio_that_would_leave_its_network_is_refused_before_the_answer() -> None:
    """This switch is at 127.0.0.1; the operator named another network, and not loopback."""
    async with house(document(), unicast=UnicastOptions(networks=(ip_network("10.77.0.0/24"),))) as home:
        refused(await home.call(SHORT), "failed")
        forked = await home.call(SHORT, home.dialed(variables={WIRE_VARIABLE: "audio_fork"}))
        assert forked.heard() == ["Welcome to us"]


UNKNOWN = [(TENANT, "999"), (tenant(77), NUMBER), (TenantId("not-a-uuid"), NUMBER), (OTHER, "200")]


async def test_what_nobody_answers_is_not_let_in_though_it_is_signed() -> None:
    async with house(document(), document("gone", tenant_id=OTHER, number="200", enabled=False)) as home:
        calls = [home.call(SHORT, home.dialed(number, tenant_id=tenant_id)) for tenant_id, number in UNKNOWN]
        for call in await asyncio.gather(*calls):
            refused(call, "failed")
        assert home.phone.refused == {("failed", "unknown"): len(UNKNOWN)}
        await greeted(home)


async def test_the_tenant_is_known_in_any_spelling_of_its_id() -> None:
    async with house(document(tenant_id=TenantId("ABCDEF00-0000-4000-8000-000000000001"))) as home:
        canonical = TenantId("abcdef00-0000-4000-8000-000000000001")
        dialed = home.dialed(tenant_id=canonical, variables={TENANT_VARIABLE: canonical.upper()})
        assert (await home.call(SHORT, dialed)).heard() == ["Welcome to us"]


@pytest.mark.parametrize("full", ["assistant", "company", "process"])
async def test_a_call_too_many_is_busy_and_there_is_room_again_afterwards(full: str) -> None:
    limits = {"max_concurrent_calls": 1 if full == "assistant" else 10}
    options = PhoneOptions(bounds=Bounds(max_calls=1 if full == "process" else 10))
    tenant_calls = 1 if full == "company" else 0
    async with house(document(limits=limits), options=options, tenant_calls=tenant_calls) as home:
        first = asyncio.create_task(home.call(Script(steps=(hears(), Wait(0.3), HangUp()))))
        await asyncio.sleep(0.3)
        refused(await home.call(SHORT), "busy")
        refused(await home.call(SHORT), "busy")
        why = {"assistant": "assistant_calls", "company": "tenant_calls", "process": "max_calls"}[full]
        assert home.phone.refused == {("busy", why): 2}
        assert (await first).record.end_reason == "caller_hangup"
        await greeted(home)


async def test_when_records_have_no_room_calls_are_first_not_recorded_and_then_not_taken() -> None:
    room = Room(recordings=True, calls=True)
    async with house(document(), record=True, room=lambda: room) as home:
        assert (await home.call(SHORT)).record.recording is not None
        room = Room(recordings=False, calls=True)
        unrecorded = await home.call(SHORT)
        assert (unrecorded.heard(), unrecorded.record.recording) == (["Welcome to us"], None)
        room = Room(recordings=False, calls=False)
        refused(await home.call(SHORT), "busy")
        room = Room(recordings=True, calls=True)
        await greeted(home)


async def test_a_call_that_goes_on_keeps_its_record_when_there_is_no_room_for_another() -> None:
    room = Room(recordings=True, calls=True)
    async with house(document(), room=lambda: room) as home:
        first = asyncio.create_task(home.call(Script(steps=(hears(), Wait(0.3), HangUp()))))
        await asyncio.sleep(0.3)
        room = Room(recordings=False, calls=False)
        refused(await home.call(SHORT), "busy")
        assert (await first).record.end_reason == "caller_hangup"


async def test_a_closing_house_lets_nobody_in() -> None:
    async with house(document()) as home:
        home.phone.shut()
        refused(await home.call(SHORT), "busy")
        assert home.phone.refused == {("busy", "draining"): 1}


async def test_a_late_media_clock_lets_nobody_in_until_it_keeps_time_and_hurts_no_live_call() -> None:
    async with house(document()) as home:
        room = home.phone.headroom

        def looked(lateness_ms: float) -> None:
            for at in range(LOOKS):
                room.saw(Reading(at=float(at), live_calls=1, lateness_ms=lateness_ms, lanes={}))

        live = asyncio.create_task(home.call(Script(steps=(hears(), Wait(0.5), HangUp()))))
        await asyncio.sleep(0.3)
        looked(50.0)
        with structlog.testing.capture_logs() as lines:
            for _ in range(3):
                refused(await home.call(SHORT), "busy")
        told = [line for line in lines if line["event"] == "call refused"]
        assert [line["why"] for line in told] == ["media_clock"], "hundreds that find no room are one line"
        assert "ATENDE_MAX_LATENESS_MS is 15" in told[0]["reason"]
        assert home.phone.refused == {("busy", "media_clock"): 3}
        assert (await live).record.end_reason == "caller_hangup"
        looked(1.0)
        await greeted(home)


class MockSttHere(MockStt):
    """Works on the threads of this process, as an embedded recogniser does."""

    lane = "stt"


async def test_only_who_would_be_heard_by_the_embedded_recogniser_waits_for_its_room() -> None:
    stages = ChainMap({"stt.mock": MockSttHere()}, Stages())
    other = document("others", tenant_id=OTHER, number="200", realtime={})
    async with house(document(), other, stages=stages) as home:
        busy: dict[LiveLane, LaneLoad] = {"stt": LaneLoad(threads=1, waiting=5, wait_s=0.9, busy_s=0.0)}
        for at in range(LOOKS):
            home.phone.headroom.saw(Reading(at=float(at), live_calls=0, lateness_ms=1.0, lanes=busy))
        refused(await home.call(SHORT), "busy")
        assert home.phone.refused == {("busy", "stt"): 1}
        assert (await home.call(SHORT, home.dialed("200", tenant_id=OTHER))).record.end_reason == "caller_hangup"


class OtherTime:
    """The wall clock is that of today; the monotonic one is moved on."""

    def __init__(self) -> None:
        self.at = 0.0

    def monotonic(self) -> float:
        return self.at

    def now(self) -> datetime:
        return datetime(2026, 3, 1, 12, tzinfo=UTC)


async def test_who_has_talked_his_minutes_is_busy_and_the_others_are_not() -> None:
    limited = document(limits={"daily_minutes": 1})
    async with house(limited, document("others", tenant_id=OTHER, number="200")) as home:
        await greeted(home)
        clock = OtherTime()
        home.phone.limits._daily_use = use = DailyUse(home.conversations, clock)
        for entry, assistant in ((home.directory.tenant(one), AssistantName("front")) for one in (TENANT, OTHER)):
            with use.call(entry, assistant, Spending()):
                clock.at += 60
        refused(await home.call(SHORT), "busy")
        assert home.phone.refused == {("busy", "daily_minutes"): 1}
        assert (await home.call(SHORT, home.dialed("200", tenant_id=OTHER))).heard() == ["Welcome to us"]


async def test_of_many_at_once_exactly_the_limit_is_let_in() -> None:
    async with house(document(limits={"max_concurrent_calls": 3})) as home:
        calls = await asyncio.gather(*(home.call(SHORT) for _ in range(12)))
        assert sum(call.found is not None for call in calls) == 3
        for call in calls:
            if call.found is None:
                refused(call, "busy")
        await greeted(home)
