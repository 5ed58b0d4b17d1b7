"""Answers right, answers fast: spoken questions over real sockets, judged by what the caller heard.

The loop is closed: the question is a recording, the answer is taken off the wire, transcribed, and the
fact is sought in the transcript.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from benchmarks.parts.callers import Question, dialed
from benchmarks.parts.served import Served
from benchmarks.parts.words import holds
from control.peer import CallResult, HangUp, Hears, PeerCall, Say, Script, Switch, WaitFor
from pipelines.calls import CallRecord, Turn, Waterfall

PER_CALL = 5
"""Questions asked in one call."""
Transcribe = Callable[[npt.NDArray[np.int16], int, str], str]
"""Audio, its rate and language, to words."""


@dataclass
class Asked:
    """One question and what became of it."""

    question: Question
    response_ms: float | None
    waterfall: Waterfall | None
    passage_id: str | None
    intent: str | None
    understood: str
    heard: str

    @property
    def right(self) -> bool:
        """From the right passage, and the fact was heard."""
        return self.from_passage and holds(self.heard, self.question.facts)

    @property
    def from_passage(self) -> bool:
        """Whether the passage that answered is the one that holds the answer."""
        wanted = (self.question.document or "").removesuffix(".md")
        return bool(self.passage_id) and wanted in str(self.passage_id) and self.intent == "answer"

    @property
    def invented(self) -> bool:
        """Whether something was answered although no document answers."""
        return self.question.document is None and self.intent == "answer"


@dataclass
class Answers:
    """All questions of a run."""

    asked: list[Asked] = field(default_factory=list)
    greetings_ms: list[float] = field(default_factory=list)
    results: list[CallResult] = field(default_factory=list)

    def of(self, language: str, *, answerable: bool) -> list[Asked]:
        """Those of one language."""
        return [
            a for a in self.asked if a.question.lang == language and (a.question.document is not None) is answerable
        ]


async def ask(service: Served, questions: Sequence[Question], transcribe: Transcribe) -> Answers:
    """Ask all questions, five to a call, one call at a time."""
    answers = Answers()
    async with Switch(service.ready.esl_host, service.ready.esl_port) as switch:
        for batch in _calls(questions):
            steps: list[Say | WaitFor | HangUp] = [WaitFor(what=Hears.SPEECH_END)]
            for question in batch:
                steps += [Say(question.path), WaitFor(what=Hears.SPEECH_END, quiet_ms=900)]
            call = switch.dial(dialed(service, batch[0].tenant), Script(steps=(*steps, HangUp())), keep_sound=True)
            result = await switch.ring(call)
            record = await service.record(result.call_id)
            answers.results.append(result)
            if result.greeting_ms is not None:
                answers.greetings_ms.append(result.greeting_ms)
            answers.asked += _judge(batch, call, result, record, transcribe)
    return answers


def own_share_ms(asked: Asked) -> float:
    """What of the response is neither the wait for the caller's silence nor the recogniser's computing.

    Measured on the caller's side of the wire; it holds the VAD's hang-over, all queues, retrieval, the
    (rendered) voice, the media clock and both ways through the sockets.
    """
    waterfall = asked.waterfall
    assert waterfall is not None
    assert asked.response_ms is not None
    waited = max(waterfall.turn_wait or 0.0, waterfall.transcript or 0.0)
    return asked.response_ms - waited


def _calls(questions: Sequence[Question]) -> Iterator[list[Question]]:
    """Batches of one tenant's questions."""
    for tenant in dict.fromkeys(question.tenant for question in questions):
        own = [question for question in questions if question.tenant == tenant]
        for start in range(0, len(own), PER_CALL):
            yield own[start : start + PER_CALL]


def _judge(
    batch: Sequence[Question], call: PeerCall, result: CallResult, record: CallRecord, transcribe: Transcribe
) -> Iterator[Asked]:
    heard, rate = call.media.heard(), result.sample_rate
    ends = [turn.began_at_ms for turn in result.turns[1:]] + [result.ended_ms]
    for index, (question, spoken) in enumerate(zip(batch, result.turns, strict=False)):
        begin = spoken.speech_ended_at_ms or spoken.began_at_ms
        piece = heard[round(begin / 1000 * rate) : round(ends[index] / 1000 * rate)]
        understood, answer = _exchange(record, index, begin - (result.answered_ms or 0.0))
        yield Asked(
            question=question,
            response_ms=spoken.response_ms,
            waterfall=answer.waterfall if answer else None,
            passage_id=answer.passage_id if answer else None,
            intent=answer.intent if answer else None,
            understood=understood,
            heard=transcribe(piece, rate, question.lang),
        )


def _exchange(record: CallRecord, index: int, _ended_ms: float) -> tuple[str, Turn | None]:
    """The n-th caller's turn of a record and the assistant's turn behind it."""
    callers = [at for at, turn in enumerate(record.turns) if turn.role == "caller"]
    if index >= len(callers):
        return "", None
    at = callers[index]
    answer = next((turn for turn in record.turns[at + 1 :] if turn.role == "assistant"), None)
    return record.turns[at].text, answer
