"""Answers right, answers fast: spoken questions over real sockets, judged by what the caller heard.

The loop is closed: the question is a recording, the answer is taken off the wire, transcribed, and the
fact is sought in the transcript.
"""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

from benchmarks.parts.callers import Question, dialed
from benchmarks.parts.served import Served
from benchmarks.parts.words import holds
from control.peer import CallResult, HangUp, Hears, Interrupt, PeerCall, Say, Script, Switch, WaitFor
from control.peer.script import Step
from knowledge.documents import read_document
from pipelines.calls import CallRecord, Turn, Waterfall

PER_CALL = 5
STAGGER_S = 2.0
"""Questions asked in one call."""
Transcribe = Callable[[npt.NDArray[np.int16], int, str], tuple[str, ...]]
"""Audio, its rate and language, to words: several hearings."""
KNOWLEDGE = Path(__file__).parents[2] / "configs" / "knowledge"


@dataclass
class Asked:
    """One question and what became of it."""

    question: Question
    response_ms: float | None
    """Last speech sample → first sample of the answer, as the caller heard it."""
    waterfall: Waterfall | None
    passage_id: str | None
    intent: str | None
    understood: str
    heard: tuple[str, ...]
    """What was heard, as the recogniser wrote it in several hearings."""

    @property
    def right(self) -> bool:
        """From the right passage, and the fact was heard."""
        return self.from_passage and any(holds(hearing, self.question.facts) for hearing in self.heard)

    @property
    def from_passage(self) -> bool:
        """Whether the passage that answered is the one that holds the answer."""
        return self.intent == "answer" and self.passage_id == passage_of(self.question)

    @property
    def invented(self) -> bool:
        """Whether something was answered although no document answers."""
        return self.question.document is None and self.intent == "answer"


@cache
def _headings(tenant: str) -> dict[tuple[str, str], str]:
    """Document and heading to the id of the passage."""
    found: dict[tuple[str, str], str] = {}
    for path in sorted((KNOWLEDGE / tenant).glob("*.md")):
        for passage in read_document(path.stem, path.read_text(encoding="utf-8")):
            found.setdefault((path.stem, passage.heading.strip()), passage.id)
    return found


def passage_of(question: Question) -> str | None:
    """The id of the passage that holds the answer. Raises KeyError when the documents have changed."""
    if question.document is None or question.heading is None:
        return None
    return _headings(question.tenant)[question.document.removesuffix(".md"), question.heading]


@dataclass
class Answers:
    """All questions of a run."""

    asked: list[Asked] = field(default_factory=list)
    greetings_ms: list[float] = field(default_factory=list)
    results: list[CallResult] = field(default_factory=list)

    def add(self, other: "Answers") -> None:
        """Take in another run's questions."""
        self.asked += other.asked
        self.greetings_ms += other.greetings_ms
        self.results += other.results

    def of(self, language: str, *, answerable: bool) -> list[Asked]:
        """Those of one language."""
        return [
            a for a in self.asked if a.question.lang == language and (a.question.document is not None) is answerable
        ]


async def ask(
    service: Served, questions: Sequence[Question], transcribe: Transcribe, *, at_once: bool = False
) -> Answers:
    """Ask all questions: five to a call and one call after the other, or each in a call that begins a little later."""
    answers = Answers()
    async with Switch(service.ready.esl_host, service.ready.esl_port) as switch:
        batches = [[question] for question in questions] if at_once else list(_calls(questions))
        if at_once:
            later = (
                _ring(switch, service, batch, over=True, after_s=at * STAGGER_S) for at, batch in enumerate(batches)
            )
            rung = await asyncio.gather(*later)
        else:
            rung = [await _ring(switch, service, batch, over=False) for batch in batches]
        for batch, (call, result) in zip(batches, rung, strict=True):
            record = await service.record(result.call_id)
            answers.results.append(result)
            if result.greeting_ms is not None:
                answers.greetings_ms.append(result.greeting_ms)
            answers.asked += _judge(batch, call, result, record, transcribe)
    return answers


async def _ring(
    switch: Switch, service: Served, batch: Sequence[Question], *, over: bool, after_s: float = 0.0
) -> tuple[PeerCall, CallResult]:
    """One call; `over`: its first question is asked over the greeting."""
    await asyncio.sleep(after_s)
    first = Interrupt(after_ms=700, say=batch[0].path) if over else Say(batch[0].path)
    steps: list[Step] = [] if over else [WaitFor(what=Hears.SPEECH_END)]
    steps += [first, WaitFor(what=Hears.SPEECH_END, quiet_ms=900)]
    for question in batch[1:]:
        steps += [Say(question.path), WaitFor(what=Hears.SPEECH_END, quiet_ms=900)]
    call = switch.dial(dialed(service, batch[0].tenant), Script(steps=(*steps, HangUp())), keep_sound=True)
    return call, await switch.ring(call)


def own_share_ms(asked: Asked) -> float:
    """What of the response is neither the turn wait nor the recogniser's computing, as the service accounts for it.

    From the moment when both were over to the beat that put the first sample on the wire: queues, retrieval, the mind
    (no language model), the rendered voice and the media clock.
    """
    waterfall = asked.waterfall
    assert waterfall is not None
    assert waterfall.first_audio is not None
    return waterfall.first_audio - max(waterfall.turn_wait or 0.0, waterfall.transcript or 0.0)


def detection_ms(asked: Asked) -> float:
    """What the caller waited beyond what the service accounts for.

    The detector goes on hearing a voice that has just ended, and judges windows of 32 ms; also both ways through
    the sockets, and the voice's first sound behind its first sample.
    """
    assert asked.waterfall is not None
    assert asked.waterfall.first_audio is not None
    assert asked.response_ms is not None
    return asked.response_ms - asked.waterfall.first_audio


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
    answered_ms = result.answered_ms or 0.0
    ends = [turn.began_at_ms for turn in result.turns[1:]] + [result.ended_ms]
    for spoken, question, end in zip(result.turns, batch, ends, strict=False):
        begin = spoken.speech_ended_at_ms or spoken.began_at_ms
        understood, answer = _exchange(record, spoken.began_at_ms - answered_ms, end - answered_ms)
        yield Asked(
            question=question,
            response_ms=spoken.response_ms,
            waterfall=answer.waterfall if answer else None,
            passage_id=answer.passage_id if answer else None,
            intent=answer.intent if answer else None,
            understood=understood,
            heard=transcribe(heard[round(begin / 1000 * rate) : round(end / 1000 * rate)], rate, question.lang),
        )


def _exchange(record: CallRecord, begin_ms: float, end_ms: float) -> tuple[str, Turn | None]:
    """What was understood between two moments of a call, and the last answer that began there.

    A caller who pauses in the middle may be taken for one who has finished; then there are two turns and two answers.
    """
    within = [turn for turn in record.turns if begin_ms <= turn.at_ms < end_ms]
    understood = " / ".join(turn.text for turn in within if turn.role == "caller")
    answers = [turn for turn in within if turn.role == "assistant" and turn.intent is not None]
    return understood, answers[-1] if answers else None
