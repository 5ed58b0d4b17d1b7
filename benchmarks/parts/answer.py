"""Answers right, answers fast: spoken questions over real sockets, judged by what the caller heard.

The loop is closed: the question is a recording, the answer is taken off the wire, transcribed, and the
fact is sought in the transcript. A caller who is asked back says yes when it is the entry that holds the
answer, else no.
"""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

from base.languages import asking_back, fold, texts
from benchmarks.parts.callers import Question, dialed
from benchmarks.parts.served import Served
from benchmarks.parts.words import holds
from control.peer import (
    CallResult,
    Decide,
    HangUp,
    Hears,
    Interrupt,
    PeerCall,
    Say,
    Script,
    SpokenTurn,
    Switch,
    WaitFor,
)
from control.peer.script import Step
from knowledge.documents import read_document
from pipelines.calls import CallRecord, LiveEvent, Said, Turn, Waterfall

PER_CALL = 5
"""Questions asked in one call."""
STAGGER_S = 1.0
"""Between calls that overlap."""
Transcribe = Callable[[npt.NDArray[np.int16], int, str], Iterator[str]]
"""Audio, its rate and language, to words: several hearings, each a second's work."""
HEARS = WaitFor(what=Hears.SPEECH_END, quiet_ms=900)
KNOWLEDGE = Path(__file__).parents[2] / "configs" / "knowledge"


@dataclass
class Asked:
    """One question and what became of it."""

    question: Question
    response_ms: float | None
    """Last speech sample → first sample of the answer, as the caller heard it; or of what was asked back."""
    waterfall: Waterfall | None
    """Of the same."""
    passage_id: str | None
    intent: str | None
    understood: str
    heard: tuple[str, ...]
    """What was heard, as the recogniser wrote it: in as many hearings as it took to find the fact."""
    asked_back: bool = False
    """Whether the caller was asked if an entry's question was meant, and replied."""

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
    began = len(service.events)

    def replying(question: Question) -> Callable[[], tuple[Step, ...]]:
        return lambda: _reply(service.events[began:], call, question)

    for question in batch:
        say = first if question is batch[0] else Say(question.path)
        # The next best may be asked back behind a "no".
        steps += [say, HEARS, Decide(replying(question)), Decide(replying(question))]
    call: PeerCall = switch.dial(dialed(service, batch[0].tenant), Script(steps=(*steps, HangUp())), keep_sound=True)
    return call, await switch.ring(call)


def _reply(events: Sequence[LiveEvent], call: PeerCall, question: Question) -> tuple[Step, ...]:
    """What a caller says who is asked back; nothing to an answer."""
    said = next((e.text for e in reversed(events) if isinstance(e, Said) and e.call_id == call.call_id), "")
    template = texts(question.lang).confirm
    if not fold(said).startswith(fold(template.partition("{question}")[0])):
        return ()
    meant = question.heading is not None and fold(said) == fold(asking_back(template, question.heading))
    return (Say(question.reply(yes=meant)), HEARS)


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
    for question, (spoken, *replies), end in _exchanges(batch, result):
        last = replies[-1] if replies else spoken
        begin = last.speech_ended_at_ms or last.began_at_ms
        understood, answers = _answers(record, spoken.began_at_ms - answered_ms, end - answered_ms)
        yield Asked(
            question=question,
            response_ms=spoken.response_ms,
            waterfall=answers[-1 - len(replies)].waterfall if len(answers) > len(replies) else None,
            passage_id=answers[-1].passage_id if answers else None,
            intent=answers[-1].intent if answers else None,
            understood=understood,
            heard=_hearings(
                transcribe(heard[round(begin / 1000 * rate) : round(end / 1000 * rate)], rate, question.lang), question
            ),
            asked_back=bool(replies),
        )


def _hearings(hearings: Iterator[str], question: Question) -> tuple[str, ...]:
    """All of them, or up to the one in which the fact is found: no other can change what is judged."""
    made: list[str] = []
    for hearing in hearings:
        made.append(hearing)
        if holds(hearing, question.facts):
            break
    return tuple(made)


def _exchanges(
    batch: Sequence[Question], result: CallResult
) -> Iterator[tuple[Question, tuple[SpokenTurn, ...], float]]:
    """Each question that was asked, its turn and the caller's replies behind it, and when the next one began."""
    starts = [at for at, turn in enumerate(result.turns) if not turn.name.endswith(("_yes.wav", "_no.wav"))]
    for question, start, after in zip(batch, starts, [*starts[1:], None], strict=False):
        end = result.ended_ms if after is None else result.turns[after].began_at_ms
        yield question, result.turns[start:after], end


def _answers(record: CallRecord, begin_ms: float, end_ms: float) -> tuple[str, list[Turn]]:
    """What was understood between two moments of a call, and the answers that began there.

    A caller who pauses in the middle may be taken for one who has finished; then there is an answer more.
    """
    within = [turn for turn in record.turns if begin_ms <= turn.at_ms < end_ms]
    understood = " / ".join(turn.text for turn in within if turn.role == "caller")
    return understood, [turn for turn in within if turn.role == "assistant" and turn.intent is not None]
