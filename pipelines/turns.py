"""The account of a call's turns: what was understood, what was heard, and when. Pure.

All times are seconds of one monotonic clock. Only words that the caller heard are written down.
"""

from collections.abc import Callable, Sequence
from typing import Literal

from msgspec import Struct, structs

from base.ids import CallId
from pipelines.calls import CallerSpeaking, Found, LiveFeed, Said, Turn, Understood, Waterfall
from processors.frames import AnsweredFrame, RetrievedFrame


class _Marks(Struct):
    """When the steps of one turn happened; None = not (yet)."""

    last_speech: float | None = None
    vad_stop: float | None = None
    turn_wait: float | None = None
    transcript: float | None = None
    turn_end: float | None = None
    retrieved: float | None = None
    first_sentence: float | None = None
    first_tts_audio: float | None = None
    first_audio: float | None = None

    def first(self, step: str, at: float) -> None:
        """Note a step that counts only once."""
        if getattr(self, step) is None:
            setattr(self, step, at)

    def waterfall(self) -> Waterfall | None:
        """None when the caller's last speech sample is not known: there is nothing to count from."""
        start = self.last_speech
        if start is None:
            return None
        steps = {step: getattr(self, step) for step in Waterfall.__struct_fields__}
        return Waterfall(**{step: None if at is None else round((at - start) * 1000, 1) for step, at in steps.items()})


def _withheld(*_: object) -> str:
    """Of a call that is over nothing more is written down."""
    return ""


def _told_nobody(_: object) -> None:
    """Nor told."""


class TurnAccount:
    """Keeps the turns of one call and tells the feed of them as they happen."""

    def __init__(
        self,
        call_id: CallId,
        opened_at: float,
        feed: LiveFeed,
        *,
        turn_wait_s: float = 0.0,
        for_record: Callable[[str, Sequence[str]], str] = lambda text, _spoken: text,
    ) -> None:
        """`turn_wait_s` is the silence after the detector's stop that belongs to the turn taking; `for_record` makes
        of what was said what is written down and told, given the languages that were found spoken.
        """
        self._turn_wait_s = turn_wait_s
        self._for_record = for_record
        self._spoken: tuple[str, ...] = ()
        self._call_id = call_id
        self._opened_at = opened_at
        self._feed = feed
        self._turns: list[Turn] = []
        self._hearing = _Marks()
        self._answering = _Marks()
        self._caller_since: float | None = None
        self._turn_open = False
        self._written = False
        self._words: list[str] = []
        self._words_since: float | None = None
        self._is_answer = False
        self._aside = False
        self._speaking = False
        self._answer = AnsweredFrame()
        self._untold: dict[int, int] = {}
        """Turns of which the words are still to come: their place by their number."""

    @property
    def turns(self) -> tuple[Turn, ...]:
        return tuple(self._turns)

    def caller_started(self, at: float) -> None:
        """The caller's voice was detected. Of a turn that is open already, the beginning stays."""
        if not self._turn_open or self._caller_since is None:
            self._caller_since, self._written = at, False
        self._feed(CallerSpeaking(call_id=self._call_id, speaking=True))

    def turn_began(self) -> None:
        """The caller's turn is open: a pause in it does not make a new one."""
        self._turn_open = True

    def caller_stopped(self, at: float, last_speech: float) -> None:
        """The detector is sure that the caller stopped; `last_speech` was the last sample with voice."""
        self._hearing.last_speech, self._hearing.vad_stop = last_speech, at
        self._hearing.turn_wait = at + self._turn_wait_s
        self._feed(CallerSpeaking(call_id=self._call_id, speaking=False))

    def transcribed(self, at: float) -> None:
        """A final transcript came; of several in one turn the last one counts."""
        self._hearing.transcript = at

    def wrote(self, at: float) -> None:
        """The caller has written something: it begins a turn, or belongs to the one that is open."""
        if not self._turn_open or self._caller_since is None:
            self._caller_since = at
        self._written = True

    def speaks(self, language: str) -> None:
        """The caller was found to speak this language (BCP 47 tag); the latest comes first."""
        self._spoken = (language, *(other for other in self._spoken if other != language))

    def understood(self, text: str, at: float) -> None:
        """The caller's turn is over and this is what was understood."""
        text = self._for_record(text, self._spoken)
        self._take_turn(text, at)
        self._feed(Understood(call_id=self._call_id, text=text))

    def taken(self, number: int, at: float) -> None:
        """The caller's turn is over; a mind that hears by itself has it, and its words may follow (`told`)."""
        self._untold[number] = len(self._turns)
        self._take_turn("", at)

    def told(self, number: int, text: str) -> None:
        """These were the words of a turn that was taken; "" when nobody knows."""
        place = self._untold.pop(number, None)
        if place is not None and text:
            text = self._for_record(text, self._spoken)
            self._turns[place] = structs.replace(self._turns[place], text=text)
            self._feed(Understood(call_id=self._call_id, text=text))

    def _take_turn(self, text: str, at: float) -> None:
        self._hearing.turn_end = at
        self._answering, self._hearing = self._hearing, _Marks()
        at_ms = self._ms(at if self._caller_since is None else self._caller_since)
        self._turns.append(Turn(role="caller", text=text, at_ms=at_ms, written=self._written))
        self._caller_since, self._turn_open, self._written = None, False, False

    def unheard(self) -> bool:
        """The caller's turn is over and nothing was understood; whether the ear has told so, by an empty transcript."""
        told, self._hearing = self._hearing.transcript is not None, _Marks()
        self._caller_since, self._turn_open, self._written = None, False, False
        return told

    def retrieved(self, frame: RetrievedFrame, at: float) -> None:
        self._answering.first("retrieved", at)
        if frame.passages:
            best = frame.passages[0]
            self._feed(
                Found(
                    call_id=self._call_id,
                    document=best.document,
                    heading=best.heading,
                    text=best.text,
                    score=best.score,
                    sure=frame.sure,
                    likely=frame.likely,
                )
            )

    def sentence(self, at: float) -> None:
        """The mind has a sentence ready to be spoken."""
        self._answering.first("first_sentence", at)

    def tts_audio(self, at: float) -> None:
        """The voice has audio."""
        self._answering.first("first_tts_audio", at)

    def answer_begins(self) -> None:
        """What comes out next answers the caller (and is no greeting, re-prompt or farewell)."""
        self._is_answer = True

    def decided(self, answer: AnsweredFrame) -> None:
        """How the mind came to the answer that comes out next."""
        self._answer = answer

    def voice_begins(self, at: float, *, aside: bool) -> None:
        """The next words are of another breath. An `aside` (a filler) is said beside the answer and is a turn of its
        own.
        """
        was_aside = self._aside
        if was_aside:
            answer = self._answer, self._is_answer
            self._write(interrupted=False)
            self._answer, self._is_answer = answer
        self._aside = aside
        if was_aside and self._speaking:
            self._audible(at)  # without a pause, so that nobody tells that speech has started

    def speech_started(self, at: float) -> None:
        """The first sample of something said left on the wire."""
        self._speaking = True
        self._audible(at)

    @property
    def voice(self) -> Literal["answer", "filler", "text"] | None:
        """What is being heard; None: nothing of ours."""
        if not self._speaking:
            return None
        return "filler" if self._aside else "answer" if self._is_answer else "text"

    def speech_stopped(self) -> None:
        """Nothing of ours is heard any more, for now."""
        self._speaking = False

    def _audible(self, at: float) -> None:
        if self._words_since is None:
            self._words_since = at
        if self._is_answer and not self._aside:
            self._answering.first("first_audio", at)

    def heard(self, text: str, at: float) -> None:
        """The caller has heard these words."""
        if self._words_since is None:
            self._words_since = at
        self._words.append(text)

    def interrupted(self) -> bool:
        """It was broken off; the words heard so far have been told already. Whether there were any."""
        return self._write(interrupted=True)

    def finished(self) -> bool:
        """All of it was said; whether the caller heard any of it."""
        return self._write(interrupted=False)

    def close(self) -> None:
        """The call is over; what was being said ends here."""
        self._write(interrupted=True)
        self._for_record, self._feed = _withheld, _told_nobody

    def _write(self, *, interrupted: bool) -> bool:
        """Write down what was heard since the last time; whether there was anything but an aside."""
        heard = " ".join(" ".join(self._words).split())
        is_answer, aside = self._is_answer and not self._aside, self._aside
        if heard:
            text = self._for_record(heard, self._spoken)
            waterfall = self._answering.waterfall() if is_answer else None
            self._turns.append(
                Turn(
                    role="assistant",
                    text=text,
                    at_ms=self._ms(self._words_since or 0.0),
                    interrupted=interrupted,
                    intent=self._answer.intent if is_answer else None,
                    passage_id=self._answer.passage_id if is_answer else None,
                    waterfall=waterfall,
                )
            )
            self._feed(Said(call_id=self._call_id, text=text, interrupted=interrupted, waterfall=waterfall))
        self._words, self._words_since = [], None
        self._is_answer, self._aside, self._answer = False, False, AnsweredFrame()
        return bool(heard) and not aside

    def _ms(self, at: float) -> float:
        return round(max(0.0, at - self._opened_at) * 1000, 1)
