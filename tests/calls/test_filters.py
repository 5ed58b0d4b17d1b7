"""Filters in calls over every wire: keys that the switch tells of, and what is written down of them."""

import pytest

from control.peer import Dtmf, HangUp, Script
from tests.calls.callers import hears
from tests.calls.evening import Evening
from tests.calls.house import Rung
from transports.freeswitch.words import WIRES

pytestmark = pytest.mark.asyncio(loop_scope="module")

evening = Evening(at_once=3)
calls = evening.fixture()

EXTRA = [
    {"id": "keys", "use": "filter.dtmf", "config": {"keys": {"*": "my number is 415 555 2671"}}},
    {"id": "redact", "use": "filter.redact"},
]
PARTS = {"extra": EXTRA, "llm": {"answers": ["Yes", "So {question}"]}}


@evening.callers(
    Script(steps=(hears(), Dtmf("42#"), hears(), Dtmf("*"), hears(), HangUp())),
    {wire: {"wire": wire, **PARTS} for wire in WIRES},
)
def test_keys_are_turns_and_a_number_is_not_written_down(rung: Rung, case: str) -> None:
    assert rung.said() == [
        ("assistant", "Welcome to us"),
        ("caller", "I typed 42."),
        ("assistant", "Yes"),
        ("caller", "my number is [phone]"),
        ("assistant", "So my number is [phone]"),
    ]
    assert rung.record.errors == ()
