"""Whatever level an operator chooses, a call's log has none of its words, none of its numbers and no key."""

import io
from collections.abc import Iterator

import pytest
from loguru import logger as loguru_logger
from msgspec import structs

from control.peer import Callee, Dtmf, HangUp, Say, Script, Write
from tenants.signing import SIGNATURE_VARIABLE
from tests.calls.callers import SPEECH, document, hears
from tests.calls.house import house
from tests.calls.test_no_key_in_logs import told
from transports.freeswitch.words import WIRE_VARIABLE, WIRES

__all__ = ["told"]

NUMBER, CALLER, PERSON, KEYS = "551130304455", "5511987654321", "2007711", "47110815"
GREETING, HEARD, WRITTEN, ANSWER, AWAY = "Zebedeu", "Wanderley", "Tamarindo", "Marmelada", "Nabucodonosor"
PARTS = {
    "number": NUMBER,
    "stt": {"transcripts": [f"A prescription for {HEARD}"]},
    "llm": {"answers": [f"{ANSWER} says", "{question}", "I call somebody"], "request": "operator", "request_on": 2},
    "extra": [{"id": "keys", "use": "filter.dtmf"}],
    "texts": {"greeting": f"{GREETING} greets", "operator_away": f"{AWAY} is away"},
    "transfer": {"to": PERSON, "ring_s": 5},
}


@pytest.fixture
def pipecat_tells() -> Iterator[None]:
    """Which is quiet in the other tests of the folder."""
    loguru_logger.enable("pipecat")
    yield
    loguru_logger.disable("pipecat")


@pytest.mark.usefixtures("pipecat_tells")
@pytest.mark.parametrize("wire", WIRES)
async def test_a_whole_call_leaves_no_words_no_numbers_and_no_key_in_the_log(wire: str, told: io.StringIO) -> None:
    steps = (
        hears(),
        Dtmf(KEYS + "#"),
        hears(),
        Say(SPEECH),
        hears(),
        Write(f"{WRITTEN} asks"),
        hears(quiet_ms=900),
        HangUp(),
    )
    callees = {f"user/{PERSON}@us.example.net": Callee(rings_s=0.2, cause="USER_BUSY")}
    async with house(document(**PARTS), callees=callees) as home:
        dialed = home.dialed(NUMBER, variables={WIRE_VARIABLE: wire})
        script = Script(steps=steps, limit_s=30.0)
        rung = await home.call(script, structs.replace(dialed, caller_number=CALLER))
    said = " ".join(text for _, text in rung.said())
    assert [word for word in (GREETING, KEYS, HEARD, WRITTEN, ANSWER, AWAY) if word not in said] == []
    lines = told.getvalue()
    assert "Generating TTS […]" in lines, "a library tells each sentence"
    assert "call ended" in lines
    secret = [dialed.variables[SIGNATURE_VARIABLE], *(key.secret.reveal() for key in home.keys)]
    words = (GREETING, HEARD, WRITTEN, ANSWER, AWAY)
    assert [one for one in (*words, NUMBER, CALLER, PERSON, KEYS, *secret) if one in lines] == []
