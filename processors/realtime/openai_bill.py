"""What a session with OpenAI's Realtime API takes: counted as the server tells it, guessed where it cannot any more."""

import contextlib
from typing import Final

import msgspec
from msgspec import Struct

from processors.metering import RateReachedError, Usage
from processors.prices import Bill
from processors.realtime.openai_events import ResponseDone, ServerEvent, Transcribed
from processors.realtime.speech_model import NotAskedError

MS_PER_TOKEN: Final = 50
"""Of audio that a model makes."""


class _Tokens(Struct, frozen=True):
    audio_tokens: int = 0


class _InputTokens(_Tokens, frozen=True):
    cached_tokens: int = 0
    cached_tokens_details: _Tokens = _Tokens()


class _Used(Struct, frozen=True):
    input_tokens: int = 0
    output_tokens: int = 0
    input_token_details: _InputTokens = _InputTokens()
    output_token_details: _Tokens = _Tokens()
    seconds: float = 0.0
    """Of a transcription that is paid by time."""


class SessionBill:
    """One session's: of its answers, and of the words that were written down of what it heard."""

    def __init__(self, answers: Bill, words: Bill) -> None:
        self._answers, self._words = answers, words
        self._last = Usage()
        """Of the last answer."""

    def answer(self) -> None:
        """An answer is about to be asked for. Raises NotAskedError."""
        try:
            self._answers.ask()
        except RateReachedError as error:
            raise NotAskedError from error

    def sentence(self) -> None:
        """One of ours is. A caller who is told nothing is worse than a request too many."""
        self._answers.ask(whatever=True)

    def told(self, event: ServerEvent) -> None:
        """Whatever it tells of; what nobody wants any more is paid for, too."""
        if isinstance(event, ResponseDone) and (usage := _usage_in(event.response.usage)) is not None:
            self._last = usage
            self._answers.used(usage)
        elif isinstance(event, Transcribed) and (usage := _usage_in(event.usage)) is not None:
            self._words.used(usage)

    def broken_off(self, ms: float) -> None:
        """Of an answer, of which so much audio was made, nothing will be told: it has read what the last one did."""
        read, made = self._last, round(ms / MS_PER_TOKEN)
        self._answers.used(
            Usage(
                input_tokens=read.input_tokens,
                input_audio_tokens=read.input_audio_tokens,
                output_tokens=made,
                output_audio_tokens=made,
                estimated=True,
            )
        )


def _usage_in(raw: msgspec.Raw) -> Usage | None:
    """None where the server does not say it, or not so that it can be read: it is no reason to end a call."""
    told: _Used | None = None
    with contextlib.suppress(msgspec.DecodeError, RecursionError):
        told = msgspec.json.decode(raw, type=_Used | None)
    if told is None:
        return None
    read = told.input_token_details
    return Usage(
        input_tokens=told.input_tokens,
        cached_tokens=read.cached_tokens,
        input_audio_tokens=read.audio_tokens,
        cached_audio_tokens=read.cached_tokens_details.audio_tokens,
        output_tokens=told.output_tokens,
        output_audio_tokens=told.output_token_details.audio_tokens,
        audio_s=told.seconds,
    )
