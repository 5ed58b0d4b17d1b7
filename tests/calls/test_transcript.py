"""The conversation, told to the PBX while it goes on, over every wire."""

import json

import pytest

from control.peer import HangUp, Interrupt, Say, Script
from tests.calls.callers import SPEECH, STAYS, hears, speech
from tests.calls.evening import Evening
from tests.calls.house import Rung
from transports.freeswitch.words import WIRES

pytestmark = pytest.mark.asyncio(loop_scope="module")

evening = Evening(at_once=4)
calls = evening.fixture()

LONG = "One two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen"
TAP = {"id": "tap", "use": "filter.transcript"}
REDACT = {"id": "redact", "use": "filter.redact"}


def told(rung: Rung) -> list[str]:
    return [json.loads(text)["data"]["text"] for text in rung.result.texts]


@evening.callers(
    Script(steps=(hears(), Say(SPEECH), STAYS), limit_s=20.0),
    {
        wire: {
            "wire": wire,
            "extra": [REDACT, TAP],
            "stt": {"transcripts": ["my number is 529.982.247-25"]},
            "llm": {"answers": ["Good bye"], "request": "hangup"},
        }
        for wire in WIRES
    },
)
def test_each_turn_is_told_as_it_is_written_down_to_the_last_word(rung: Rung, case: str) -> None:
    assert told(rung) == [f"{who}: {text}" for who, text in rung.said()]
    assert told(rung) == ["assistant: Welcome to us", "caller: my number is [cpf]", "assistant: Good bye"]
    assert (rung.record.end_reason, rung.record.errors) == ("goodbye", ())


@evening.caller(
    Script(steps=(hears(), Say(SPEECH), Interrupt(after_ms=800, say=speech("en_10")), hears(), HangUp())),
    extra=[TAP],
    llm={"answers": [LONG, "All right"]},
    tts={"word_s": 0.25},
)
def test_of_an_answer_that_is_broken_off_what_was_heard_is_told(rung: Rung) -> None:
    broken = rung.record.turns[2]
    assert broken.interrupted
    assert told(rung)[2] == f"assistant: {broken.text}"
    assert LONG.startswith(broken.text)


@evening.caller(
    Script(steps=(hears(), Say(SPEECH), hears(), HangUp())),
    extra=[TAP | {"config": {"speakers": ["caller"]}}],
    stt={"transcripts": ["when do you open"]},
)
def test_one_side_alone_may_be_told(rung: Rung) -> None:
    assert told(rung) == ["caller: when do you open"]


@evening.caller(Script(steps=(hears(), Say(SPEECH), hears(), HangUp())))
def test_without_it_nothing_is_told(rung: Rung) -> None:
    assert told(rung) == []
