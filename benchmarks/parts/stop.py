"""Stops when the caller speaks, and goes on after a cough: callers who are heard over the assistant, measured where the
caller hears it.
"""

from collections.abc import Sequence
from pathlib import Path

from benchmarks.parts.callers import DATA, Utterance, dialed
from benchmarks.parts.served import Served
from control.peer import HangUp, Hears, Interrupt, Say, Script, SpokenTurn, Switch, Wait, WaitFor

PER_CALL = 5
COUGH: Path = DATA / "speech" / "brief" / "cough.wav"


async def interrupt(service: Served, slug: str, utterances: Sequence[Utterance]) -> list[float]:
    """Milliseconds from each caller's first speech sample to the last sample heard of the voice they interrupted.

    The first of a call interrupts the greeting, the next ones the answers.
    """
    stops: list[float] = []
    async with Switch(service.ready.esl_host, service.ready.esl_port) as switch:
        for start in range(0, len(utterances), PER_CALL):
            steps: list[Interrupt | WaitFor | HangUp] = [
                Interrupt(after_ms=700, say=utterance.path) for utterance in utterances[start : start + PER_CALL]
            ]
            script = Script(steps=(*steps, WaitFor(what=Hears.SPEECH_START, limit_s=5), HangUp()))
            result = await switch.call(dialed(service, slug), script)
            stops += [turn.barge_in_ms for turn in result.turns if turn.barge_in_ms is not None]
    return stops


async def cough(service: Served, slug: str, calls: int) -> list[SpokenTurn]:
    """Two coughs over each of so many greetings; `response_ms` is the time until the assistant speaks on."""
    steps = (Interrupt(after_ms=700, say=COUGH), Wait(1.5), Say(COUGH), WaitFor(what=Hears.SPEECH_END), HangUp())
    coughs: list[SpokenTurn] = []
    async with Switch(service.ready.esl_host, service.ready.esl_port) as switch:
        for _ in range(calls):
            result = await switch.call(dialed(service, slug), Script(steps=steps))
            coughs += result.turns
    return coughs
