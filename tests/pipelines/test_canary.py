"""A revision on some callers: who gets it, what ends the trial, and what becomes of the calls."""

import asyncio
from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from base.ids import AssistantName, CallId
from pipelines.calls import CallRecord, Turn, Waterfall
from pipelines.outcomes import CanaryPolicy, Outcome, OutcomeCounts, Outcomes, judge, outcome_of
from pipelines.revision import PipelineRevision
from pipelines.routes import caller_key, place
from pipelines.supervisor import NoCanaryError, TenantUnknownError
from tests.pipelines.harness import FRONT, TENANT, a_call
from tests.pipelines.test_supervisor import House, document
from tests.pipelines.virtual import virtual

WELL = Outcome(failed=False, early_hangup=False, turns=2, fallback_turns=0, latencies_ms=(900.0, 1100.0))
BADLY = Outcome(failed=True, early_hangup=False, turns=1, fallback_turns=1, latencies_ms=())


async def answers(house: House, caller: str) -> int:
    async with house.supervisor.lease(TENANT, FRONT, caller=caller) as lease:
        return lease.pipeline.revision.number


@virtual
async def test_a_share_of_the_callers_gets_it_and_each_of_them_keeps_it() -> None:
    house = House()
    await house.put(1)
    loaded = await house.supervisor.load(document(2, model="two"))
    house.supervisor.try_out(loaded, CanaryPolicy(share=20.0))
    callers = [f"+55119{n:08}" for n in range(1000)]
    first = {caller: await answers(house, caller) for caller in callers}
    assert 150 < Counter(first.values())[2] < 250
    assert {caller: await answers(house, caller) for caller in callers} == first
    house.supervisor.try_out(loaded, CanaryPolicy(share=60.0))
    more = {caller: await answers(house, caller) for caller in callers}
    assert 550 < Counter(more.values())[2] < 650
    assert all(more[caller] == 2 for caller in callers if first[caller] == 2), "who has it keeps it"
    states = {status.revision: (status.state, status.share) for status in house.supervisor.status()}
    assert states == {1: ("active", None), 2: ("on trial", 60.0)}
    await house.supervisor.close()
    assert house.open == 0


BACK = AssistantName("back")


def two_assistants(number: int, model: str) -> PipelineRevision:
    whole = document(number, model=model)
    (front,) = whole.assistants
    return structs.replace(whole, assistants=(front, structs.replace(front, name=BACK, numbers=("200",))))


@virtual
async def test_an_assistant_has_its_own_share_and_0_is_none() -> None:
    house = House()
    house.supervisor.activate(await house.supervisor.load(two_assistants(1, "one")))
    loaded = await house.supervisor.load(two_assistants(2, "two"))
    house.supervisor.try_out(loaded, CanaryPolicy(share=30.0, shares={BACK: 0.0}))
    answered: Counter[tuple[AssistantName, int]] = Counter()
    for n in range(1000):
        for name in (FRONT, BACK):
            async with house.supervisor.lease(TENANT, name, caller=f"+55119{n:08}") as lease:
                answered[name, lease.pipeline.revision.number] += 1
    assert 250 < answered[FRONT, 2] < 350
    assert (answered[BACK, 1], answered[BACK, 2]) == (1000, 0)
    [tried] = [status for status in house.supervisor.status() if status.state == "on trial"]
    assert {one.name: one.share for one in tried.assistants} == {FRONT: 30.0, BACK: 0.0}
    await house.supervisor.close()


@virtual
async def test_one_assistant_whose_calls_fail_ends_the_trial_however_well_the_others_do() -> None:
    house = House()
    house.supervisor.activate(await house.supervisor.load(two_assistants(1, "one")))
    loaded = await house.supervisor.load(two_assistants(2, "two"))
    house.supervisor.try_out(loaded, CanaryPolicy(share=100.0, min_calls=4, max_failed=0.3))

    async def calls(name: AssistantName, *outcomes: Outcome) -> None:
        for outcome in outcomes:
            async with house.supervisor.lease(TENANT, name) as lease:
                assert lease.pipeline.revision.number == 2
                house.supervisor.count(lease, outcome)

    await calls(FRONT, *[WELL] * 20)
    await calls(BACK, BADLY, BADLY, WELL)
    [tried] = [status for status in house.supervisor.status() if status.state == "on trial"]
    assert (tried.outcomes.calls, tried.outcomes.failed) == (23, 2)
    assert {one.name: (one.outcomes.calls, one.outcomes.failed) for one in tried.assistants} == {
        FRONT: (20, 0),
        BACK: (3, 2),
    }
    await calls(BACK, WELL)
    told = house.supervisor.rolled_back[TENANT]
    assert told.reason == "assistant 'back': 2 of 4 calls failed; at most 30% may be"
    assert await answers(house, "x") == 1
    await house.supervisor.close()


@virtual
async def test_the_same_document_with_another_share_goes_on_with_the_trial() -> None:
    """As a file is saved again: it is another revision, for the same callers, and what was counted counts."""
    house = House()
    await house.put(1)
    house.supervisor.try_out(await house.supervisor.load(document(2, model="two")), CanaryPolicy(share=20.0))
    callers = [f"+55119{n:08}" for n in range(500)]
    had_it = {caller for caller in callers if await answers(house, caller) == 2}
    async with house.supervisor.lease(TENANT, FRONT, caller=min(had_it)) as live:
        house.supervisor.try_out(await house.supervisor.load(document(3, model="two")), CanaryPolicy(share=60.0))
        house.supervisor.count(live, WELL)
    have_it = {caller for caller in callers if await answers(house, caller) == 3}
    assert had_it < have_it
    [tried] = [status for status in house.supervisor.status() if status.state == "on trial"]
    assert (tried.revision, tried.outcomes.calls) == (3, 1)
    house.supervisor.try_out(await house.supervisor.load(document(4, model="three")), CanaryPolicy(share=60.0))
    [tried] = [status for status in house.supervisor.status() if status.state == "on trial"]
    assert (tried.revision, tried.outcomes.calls) == (4, 0), "another document is another trial"
    assert {caller for caller in callers if await answers(house, caller) == 4} != have_it
    await house.supervisor.close()


@virtual
async def test_an_operator_ends_the_trial_either_way() -> None:
    house = House()
    with pytest.raises(TenantUnknownError):
        house.supervisor.promote(TENANT)
    await house.put(1)
    with pytest.raises(NoCanaryError):
        house.supervisor.roll_back(TENANT)
    house.supervisor.try_out(await house.supervisor.load(document(2, model="two")), CanaryPolicy(share=100.0))
    assert await answers(house, "x") == 2
    turnover, since = house.supervisor.turnover, house.supervisor.turnover.answers_since
    assert house.supervisor.listing.revisions()["on trial"] == 1
    await asyncio.sleep(1)
    assert house.supervisor.roll_back(TENANT) == 1
    assert await answers(house, "x") == 1
    assert (turnover.rollbacks, turnover.swaps, turnover.answers_since) == (1, 0, since), "what stood has never ceased"
    await asyncio.sleep(5)
    assert [model.open for model in house.llm.made] == [True, False], "it is closed"
    house.supervisor.try_out(await house.supervisor.load(document(3, model="three")), CanaryPolicy(share=1.0))
    assert house.supervisor.promote(TENANT) == 3
    assert (turnover.rollbacks, turnover.swaps) == (1, 1)
    assert turnover.answers_since is not None
    assert since is not None
    assert turnover.answers_since > since
    assert {await answers(house, str(n)) for n in range(50)} == {3}
    await asyncio.sleep(5)
    assert [model.open for model in house.llm.made] == [False, False, True]
    await house.supervisor.close()


@virtual
async def test_calls_that_go_badly_end_the_trial_and_its_live_calls_go_back() -> None:
    house = House()
    await house.put(1)
    loaded = await house.supervisor.load(document(2, model="two"))
    house.supervisor.try_out(loaded, CanaryPolicy(share=100.0, min_calls=3))
    heeded: list[bool] = []
    async with house.supervisor.lease(TENANT, FRONT) as live:
        live.heed = lambda: heeded.append(True)
        for outcome in (WELL, BADLY, BADLY):
            assert await answers(house, "x") == 2
            async with house.supervisor.lease(TENANT, FRONT) as lease:
                house.supervisor.count(lease, outcome)
        assert await answers(house, "x") == 1
        told = house.supervisor.rolled_back[TENANT]
        assert (told.revision, told.outcomes.calls, told.outcomes.failed) == (2, 3, 2)
        assert told.reason == "2 of 3 calls failed; at most 5% may be"
        assert heeded == [True]
        back = live.take()
        assert back is not None
        assert back.revision.number == 1
        assert live.accept()
        await asyncio.sleep(5)
        assert [model.open for model in house.llm.made] == [True, False]
    await house.supervisor.close()


@virtual
async def test_calls_that_go_well_end_it_too_when_the_operator_said_so() -> None:
    house = House()
    await house.put(1)
    policy = CanaryPolicy(share=100.0, min_calls=2, promote_after_calls=4)
    house.supervisor.try_out(await house.supervisor.load(document(2, model="two")), policy)
    for _ in range(4):
        async with house.supervisor.lease(TENANT, FRONT) as lease:
            house.supervisor.count(lease, WELL)
    (status,) = [status for status in house.supervisor.status() if status.state != "retiring"]
    assert (status.revision, status.state, status.outcomes.calls) == (2, "active", 4)
    await house.supervisor.close()


@virtual
async def test_a_newer_revision_for_all_ends_the_trial() -> None:
    house = House()
    await house.put(1)
    house.supervisor.try_out(await house.supervisor.load(document(2, model="two")), CanaryPolicy(share=100.0))
    await house.put(3, model="three")
    assert await answers(house, "x") == 3
    await asyncio.sleep(5)
    assert [model.open for model in house.llm.made] == [False, False, True]
    await house.supervisor.close()


@virtual
async def test_a_call_is_asked_to_change_over_only_at_a_turn() -> None:
    house = House()
    await house.put(1)
    async with house.supervisor.lease(TENANT, FRONT) as lease:
        await house.put(2, model="two")
        assert lease.offered is None
        house.supervisor.activate(await house.supervisor.load(document(3, model="three")), swap="turn")
        house.supervisor.activate(await house.supervisor.load(document(4, model="four")), swap="turn")
        offered = lease.take()
        assert offered is not None
        assert offered.revision.number == 4
        assert lease.take() is None, "one at a time"
        lease.decline()
        assert lease.pipeline.revision.number == 1
        assert not lease.accept(), "what was declined cannot be accepted"
        await asyncio.sleep(5)
        assert [model.open for model in house.llm.made] == [True, False, False, True]
    await house.supervisor.close()
    assert house.open == 0


@virtual
async def test_a_newer_one_that_drains_takes_the_offer_back() -> None:
    house = House()
    await house.put(1)
    async with house.supervisor.lease(TENANT, FRONT) as lease:
        house.supervisor.activate(await house.supervisor.load(document(2, model="two")), swap="turn")
        assert lease.offered is not None
        await house.put(3, model="three")
        assert lease.take() is None, "what answers no more is not changed over to"
        await asyncio.sleep(5)
        assert [model.open for model in house.llm.made] == [True, False, True]
    await house.supervisor.close()


@virtual
async def test_what_is_being_tried_is_not_offered_once_more() -> None:
    house = House()
    await house.put(1)
    async with house.supervisor.lease(TENANT, FRONT) as lease:
        two = await house.supervisor.load(document(2, model="two"))
        house.supervisor.activate(two, swap="turn")
        tried = lease.take()
        assert tried is not None
        house.supervisor.try_out(await house.supervisor.load(document(3, model="three")), CanaryPolicy())
        house.supervisor.roll_back(TENANT)
        assert lease.offered is None
        assert lease.accept()
        assert lease.pipeline.revision.number == 2
    assert two.leases == 0
    await house.supervisor.close()


@virtual
async def test_a_lease_that_is_over_holds_nothing() -> None:
    house = House()
    loaded = await house.put(1)
    async with house.supervisor.lease(TENANT, FRONT) as lease:
        newer = await house.supervisor.load(document(2, model="two"))
        house.supervisor.activate(newer, swap="turn")
        assert (loaded.leases, newer.leases) == (1, 1)
        lease.take()
    assert (loaded.leases, newer.leases) == (0, 0)
    lease.offer(newer, next(iter(newer.pipelines.values())))
    lease.close()
    assert (lease.accept(), newer.leases) == (False, 0)
    house.supervisor.count(lease, WELL)
    assert newer.outcomes.counts().calls == 0
    await house.supervisor.close()


def test_places_are_even_and_change_with_the_trial() -> None:
    callers = [f"+55119{n:08}" for n in range(5000)]
    shares = Counter(place("one", caller) // 1000 for caller in callers)
    assert all(400 < count < 600 for count in shares.values())
    both = sum(place("one", caller) < 1000 and place("two", caller) < 1000 for caller in callers)
    assert both < 100, "the same callers are not tried upon again and again"


@pytest.mark.parametrize("number", ["", " ", "anonymous", "Anonymous", "Restricted", "unknown", "0000000000", "+0"])
def test_who_withholds_the_number_is_another_caller_with_each_call(number: str) -> None:
    places = Counter(place("one", caller_key(number, CallId(f"call {n}"))) // 1000 for n in range(1000))
    assert len(places) == 10, "some of them are tried upon, and some are not"
    assert caller_key(number, CallId("call 1")) == caller_key(number, CallId("call 1")), "a call that comes back stays"


def test_who_shows_a_number_is_the_same_caller_with_each_call() -> None:
    for number in ("+5511988887777", "1001", "joana", "0800"):
        assert len({caller_key(number, CallId(f"call {n}")) for n in range(10)}) == 1


AT = datetime(2026, 11, 26, 12, tzinfo=UTC)


def record(reason: str, seconds: float, *turns: Turn, errors: tuple[str, ...] = ()) -> CallRecord:
    call = a_call(AT, revision=2)
    ended = AT + timedelta(seconds=seconds)
    return CallRecord(call=call, ended_at=ended, end_reason=reason, hangup_cause="", turns=turns, errors=errors)


def test_what_a_record_says_of_its_revision() -> None:
    answer = Turn(role="assistant", text="At nine.", at_ms=1.0, waterfall=Waterfall(first_audio=950.0))
    sorry = Turn(role="assistant", text="Sorry, that did not work. ", at_ms=2.0, waterfall=Waterfall())
    asked = Turn(role="caller", text="When?", at_ms=0.5)
    told = outcome_of(record("caller_hangup", 40, asked, answer, sorry), "Sorry, that did not work.")
    assert told == Outcome(failed=False, early_hangup=False, turns=2, fallback_turns=1, latencies_ms=(950.0,))
    assert outcome_of(record("caller_hangup", 5), "").early_hangup
    for wished in ("goodbye", "ended_by_operator", "transferred"):
        told = outcome_of(record(wished, 5), "")
        assert (told.failed, told.early_hangup) == (False, False), wished
    assert outcome_of(record("goodbye", 5, errors=("stt: no",)), "", stage_errors=1).failed
    assert not outcome_of(record("goodbye", 5, errors=("the recording is not whole: no space left",)), "").failed
    assert outcome_of(record("failure", 5), "").failed
    assert not outcome_of(record("lost", 5), "").failed, "the PBX was started anew"
    assert outcome_of(record("lost", 5, errors=("llm: no",)), "", stage_errors=1).failed


@pytest.mark.parametrize("reason", ["caller_hangup", "failure"])
def test_what_the_companys_own_limit_held_back_is_no_fault_of_a_revision(reason: str) -> None:
    sorry = Turn(role="assistant", text="Sorry.", at_ms=2.0, waterfall=Waterfall())
    told = outcome_of(record(reason, 5, sorry, sorry), "Sorry.", held_requests=2, held_last=True)
    assert (told.failed, told.early_hangup, told.fallback_turns) == (False, False, 0)
    assert outcome_of(record(reason, 5, sorry, sorry), "Sorry.", held_requests=1).fallback_turns == 1, "the stage's own"
    assert outcome_of(record(reason, 5, sorry), "Sorry.", stage_errors=1, held_requests=1, held_last=True).failed
    ended = outcome_of(record("failure", 5, sorry), "Sorry.", held_requests=1)
    assert ended.failed, "something else failed behind it"


@pytest.mark.parametrize(
    ("counts", "what"),
    [
        (OutcomeCounts(calls=19, failed=19), "wait"),
        (OutcomeCounts(calls=20, failed=1), "wait"),
        (OutcomeCounts(calls=20, failed=2), "roll back"),
        (OutcomeCounts(calls=20, turns=100, fallback_turns=20), "wait"),
        (OutcomeCounts(calls=20, turns=100, fallback_turns=21), "roll back"),
        (OutcomeCounts(calls=20, early_hangups=11), "roll back"),
        (OutcomeCounts(calls=20, p95_ms=2500.0), "wait"),
        (OutcomeCounts(calls=20, p95_ms=2501.0), "roll back"),
        (OutcomeCounts(calls=50), "promote"),
    ],
)
def test_each_threshold_ends_a_trial_by_itself(counts: OutcomeCounts, what: str) -> None:
    policy = CanaryPolicy(max_p95_ms=2500.0, promote_after_calls=50)
    assert judge(policy, counts).what == what
    absent = CanaryPolicy(max_failed=None, max_fallback_turns=None, max_early_hangups=None)
    assert judge(absent, counts).what == "wait"


@given(st.lists(st.floats(1.0, 5000.0), min_size=1, max_size=40))
def test_the_percentile_is_one_of_the_latencies(latencies: list[float]) -> None:
    outcomes = Outcomes()
    for latency in latencies:
        outcomes.add(Outcome(failed=False, early_hangup=False, turns=1, fallback_turns=0, latencies_ms=(latency,)))
    p95 = outcomes.counts().p95_ms
    assert p95 in latencies
    assert sum(latency <= (p95 or 0) for latency in latencies) >= 0.95 * len(latencies)
