"""What an operator does to live calls, over the wires that stream; and that nobody does it to another company's."""

import re
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from base.ids import CallId, TenantId
from control.peer import Callee, HangUp, Say, Script, WireEvent
from control.peer.result import What
from control.phone import PhoneDoor
from tests.calls.callers import SPEECH, STAYS, hears, tenant
from tests.calls.evening import Evening
from tests.calls.house import House, Rung

pytestmark = pytest.mark.asyncio(loop_scope="module")

evening = Evening(at_once=4)
calls = evening.fixture()

THEIRS = "Somebody is on the way to you"
LONG = "One two three four five six seven eight"
FOREIGN = tenant(999)
ASKS = (hears(), Say(SPEECH))
LISTENS = Script(steps=(*ASKS, hears(quiet_ms=900), HangUp()), limit_s=30.0)
WAITS = Script(steps=(*ASKS, STAYS), limit_s=30.0)
ANSWERS: Mapping[str, Any] = {"llm": {"answers": [LONG]}}
RINGS: Mapping[str, Any] = {
    "llm": {"answers": ["I call somebody"], "request": "operator"},
    "transfer": {"to": "200", "ring_s": 20},
    "callee": Callee(rings_s=60),
}

Verb = Callable[[PhoneDoor, TenantId, CallId], bool]


class Does:
    """Does this once, when that is seen for the n-th time; see `evening.Look`."""

    def __init__(self, verb: Verb, when: What, nth: int) -> None:
        self._verb, self._when, self._left = verb, when, nth
        self.returned: bool | None = None

    def __call__(self, home: House, tenant_id: TenantId, call_id: CallId, event: WireEvent) -> None:
        self._left -= event.what == self._when
        if self._left == 0 and self.returned is None:
            self.returned = self._verb(home.phone, tenant_id, call_id)


def says(phone: PhoneDoor, tenant_id: TenantId, call_id: CallId) -> bool:
    return phone.say(tenant_id, call_id, THEIRS)


def hangs_up(phone: PhoneDoor, tenant_id: TenantId, call_id: CallId) -> bool:
    return phone.hang_up(tenant_id, call_id)


def sends_on(phone: PhoneDoor, tenant_id: TenantId, call_id: CallId) -> bool:
    return phone.transfer(tenant_id, call_id, "600")


def anything_foreign(phone: PhoneDoor, _tenant_id: TenantId, call_id: CallId) -> bool:
    return any(verb(phone, FOREIGN, call_id) for verb in (says, hangs_up, sends_on))


def on_both(verb: Verb, when: What, nth: int, **parts: Any) -> dict[str, dict[str, Any]]:
    return {
        wire: {**ANSWERS, **parts, "wire": wire, "look": Does(verb, when, nth)} for wire in ("unicast", "audio_fork")
    }


@evening.callers(Script(steps=(hears(quiet_ms=900), HangUp()), limit_s=30.0), on_both(says, "assistant_silent", 1))
def test_a_sentence_is_heard_in_the_silence_and_is_in_the_record(rung: Rung, case: str) -> None:
    assert rung.heard() == ["Welcome to us", THEIRS]
    assert sum(rung.voices_s) == pytest.approx((3 + 7) * 0.1, abs=0.4)
    assert (rung.record.end_reason, rung.record.errors) == ("caller_hangup", ())
    assert rung.result.hazards == ()


@evening.callers(LISTENS, on_both(says, "assistant_speaks", 2))
def test_a_sentence_comes_behind_the_answer(rung: Rung, case: str) -> None:
    assert rung.heard() == ["Welcome to us", LONG, THEIRS]
    assert not any(turn.interrupted for turn in rung.record.turns)


@evening.callers(LISTENS, on_both(says, "caller_speaks", 1))
def test_a_sentence_for_a_caller_who_has_begun_to_speak_is_not_lost(rung: Rung, case: str) -> None:
    """The detector does not know yet, so that the sentence is under way."""
    assert rung.heard() == ["Welcome to us", LONG, THEIRS]
    assert not any(turn.interrupted for turn in rung.record.turns)


@evening.callers(LISTENS, on_both(says, "assistant_speaks", 2, realtime={"answers": [LONG]}))
def test_a_mind_that_speaks_by_itself_says_it_too(rung: Rung, case: str) -> None:
    assert rung.heard() == ["Welcome to us", LONG, THEIRS]


@evening.callers(LISTENS, on_both(says, "assistant_silent", 2, **RINGS))
def test_who_waits_for_a_person_hears_it_too(rung: Rung, case: str) -> None:
    assert rung.heard() == ["Welcome to us", "I call somebody", THEIRS]
    assert rung.record.end_reason == "caller_hangup"


@evening.callers(
    Script(steps=(STAYS,), limit_s=30.0),
    on_both(says, "assistant_speaks", 2, limits={"silence_s": 1, "reprompts": 0}),
)
def test_a_call_that_takes_leave_does_so(rung: Rung, case: str) -> None:
    assert rung.heard() == ["Welcome to us", "Good bye then"]
    assert rung.record.end_reason == "silence"


@evening.callers(WAITS, on_both(hangs_up, "assistant_speaks", 2))
def test_an_operator_hangs_up_in_the_middle_of_an_answer(rung: Rung, case: str) -> None:
    assert (rung.result.ended_by, rung.result.cause) == ("service", "NORMAL_CLEARING")
    assert (rung.record.end_reason, rung.record.hangup_cause) == ("ended_by_operator", "NORMAL_CLEARING")
    assert rung.record.errors == ()
    assert rung.variables["atende_outcome"] == "ended_by_operator"
    assert LONG not in rung.heard(), "nobody waited for the last word"


@evening.callers(
    WAITS,
    {
        **{f"{wire} in an answer": parts for wire, parts in on_both(sends_on, "assistant_speaks", 2).items()},
        **{
            f"{wire} while a telephone rings": parts
            for wire, parts in on_both(sends_on, "assistant_silent", 2, **RINGS).items()
        },
    },
)
def test_an_operator_sends_a_caller_on(rung: Rung, case: str) -> None:
    assert rung.result.ended_by == "transfer"
    assert re.fullmatch(r"600 XML t\d+\.example\.net", rung.result.transferred_to or "")
    assert (rung.record.end_reason, rung.record.hangup_cause, rung.record.errors) == ("transferred", "", ())
    assert rung.variables["atende_outcome"] == "transferred"
    assert rung.result.hazards == ()


MEDDLES = on_both(anything_foreign, "assistant_silent", 1)


@evening.callers(LISTENS, MEDDLES)
def test_another_company_touches_nothing(rung: Rung, case: str) -> None:
    assert MEDDLES[case]["look"].returned is False
    assert rung.heard() == ["Welcome to us", LONG]
    assert (rung.record.end_reason, rung.record.errors) == ("caller_hangup", ())
    assert rung.variables["atende_outcome"] == "talking"


LATE = on_both(hangs_up, "ended", 1)


@evening.callers(Script(steps=(hears(), HangUp())), LATE)
def test_a_verb_on_a_call_that_ends_changes_nothing(rung: Rung, case: str) -> None:
    assert LATE[case]["look"].returned is not None
    assert rung.result.ended_by == "caller"
    assert rung.record.end_reason in ("caller_hangup", "ended_by_operator"), "who was first"
    assert rung.record.errors == ()
