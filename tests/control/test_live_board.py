"""The board of live calls: what is told of them, bounded, and each tenant's for itself."""

from datetime import UTC, datetime, timedelta

import msgspec
from msgspec import structs

from base.ids import CallId, TenantId
from control.live_board import LiveBoard, LiveCallDetail, LiveTurn
from pipelines.calls import (
    Call,
    CallerSpeaking,
    CallRecord,
    ChangedOver,
    Closed,
    Found,
    Opened,
    Said,
    Understood,
    Waterfall,
)
from tenants.call_search import Cursor
from tests.pipelines.harness import TENANT, a_call

OTHER = TenantId("0f0f0f0f-0000-4000-8000-000000000002")
NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


class Ticking:
    """A clock that is a second later each time it is read."""

    def __init__(self) -> None:
        self.read = 0

    def monotonic(self) -> float:
        return 0.0

    def now(self) -> datetime:
        self.read += 1
        return NOON + timedelta(seconds=self.read)


def call(name: str, tenant_id: TenantId = TENANT) -> Call:
    return structs.replace(a_call(NOON), id=CallId(name), tenant_id=tenant_id)


def board(*calls: Call, max_turns: int = 500) -> LiveBoard:
    made = LiveBoard(Ticking(), max_turns=max_turns)
    for one in calls:
        made.feed(Opened(call=one))
    return made


def closed(one: Call) -> Closed:
    return Closed(record=CallRecord(call=one, ended_at=NOON, end_reason="goodbye", hangup_cause="", turns=()))


def detail(of: LiveBoard, call_id: str) -> LiveCallDetail:
    found = of.call(TENANT, CallId(call_id))
    assert found is not None
    return found


def test_a_call_is_told_as_it_goes_on() -> None:
    shown = board(call("a"))
    fall = Waterfall(first_audio=900.0)
    a = CallId("a")
    shown.feed(Said(call_id=a, text="Welcome", interrupted=False, waterfall=None))
    shown.feed(CallerSpeaking(call_id=a, speaking=True))
    assert detail(shown, "a").caller_speaking
    shown.feed(CallerSpeaking(call_id=a, speaking=False))
    shown.feed(Understood(call_id=a, text="when"))
    shown.feed(Found(call_id=a, document="d", heading="h", text="nine", score=0.9, sure=True))
    shown.feed(ChangedOver(call_id=a, revision=2))
    shown.feed(Said(call_id=a, text="At", interrupted=True, waterfall=fall))
    assert detail(shown, "a") == LiveCallDetail(
        call=call("a"),
        revision=2,
        caller_speaking=False,
        turns=3,
        dropped=0,
        transcript=(
            LiveTurn(role="assistant", text="Welcome", at=NOON + timedelta(seconds=1)),
            LiveTurn(role="caller", text="when", at=NOON + timedelta(seconds=2)),
            LiveTurn(role="assistant", text="At", at=NOON + timedelta(seconds=3), interrupted=True, waterfall=fall),
        ),
    )


def test_the_newest_call_comes_first_and_one_that_is_over_is_gone() -> None:
    shown = board(call("a"), call("b"), call("c"))
    shown.feed(closed(call("b")))
    assert [view.call.id for view in shown.calls(TENANT)] == ["c", "a"]
    assert shown.call(TENANT, CallId("b")) is None


def test_a_foreign_call_looks_like_none_and_the_platform_sees_all() -> None:
    shown = board(call("a"), call("b", OTHER))
    assert [view.call.id for view in shown.calls(TENANT)] == ["a"]
    assert shown.call(TENANT, CallId("b")) is shown.call(TENANT, CallId("x")) is None
    assert [view.call.id for view in shown.calls(None)] == ["b", "a"]
    seen = shown.call(None, CallId("b"))
    assert seen is not None
    assert seen.call.tenant_id == OTHER


def test_the_oldest_turns_are_dropped_and_counted() -> None:
    shown = board(call("a"), max_turns=3)
    for number in range(5):
        shown.feed(Understood(call_id=CallId("a"), text=str(number)))
    found = detail(shown, "a")
    assert [turn.text for turn in found.transcript] == ["2", "3", "4"]
    assert (found.turns, found.dropped) == (5, 2)
    assert shown.calls(TENANT)[0].turns == 5


def test_what_is_told_of_no_call_changes_nothing() -> None:
    shown = board(call("a"))
    before = detail(shown, "a")
    x = CallId("x")
    for event in (
        Understood(call_id=x, text="hello"),
        Said(call_id=x, text="hello", interrupted=False, waterfall=None),
        CallerSpeaking(call_id=x, speaking=True),
        ChangedOver(call_id=x, revision=7),
        closed(call("x")),
    ):
        shown.feed(event)
    assert [view.call.id for view in shown.calls(None)] == ["a"]
    assert detail(shown, "a") == before


def test_what_was_shown_stays_as_it_was_shown() -> None:
    shown = board(call("a"))
    before = detail(shown, "a")
    shown.feed(Understood(call_id=CallId("a"), text="more"))
    assert before.transcript == ()


def test_the_newest_come_first_and_a_list_goes_on_behind_a_call() -> None:
    later = structs.replace(call("b"), opened_at=NOON + timedelta(seconds=1))
    shown = board(later, call("a"), call("d"), call("c"), call("e", OTHER))
    assert [view.call.id for view in shown.calls(TENANT)] == ["b", "d", "c", "a"], "of one moment by their ids"
    assert [view.call.id for view in shown.calls(TENANT, 2)] == ["b", "d"]
    assert [view.call.id for view in shown.calls(TENANT, 2, Cursor(NOON, CallId("d")))] == ["c", "a"]
    assert [view.call.id for view in shown.calls(None, 1, Cursor(later.opened_at, later.id))] == ["e"]
    assert shown.calls(TENANT, 2, Cursor(NOON, CallId("a"))) == ()


def test_it_is_fit_to_be_json() -> None:
    shown = board(call("a"))
    shown.feed(Said(call_id=CallId("a"), text="Olá", interrupted=False, waterfall=Waterfall(vad_stop=1.0)))
    found = detail(shown, "a")
    assert msgspec.json.decode(msgspec.json.encode(found), type=LiveCallDetail) == found
