"""What `llm.openai`, `llm.anthropic` and `llm.local` have in common.

pipecat's services do the talking to the model; `Hosted`, mixed in before them, adds what a call needs: the
frame that tells how the turn was decided, a deadline, errors without anything of the provider's in them,
the two things that must work whatever a model makes of them: being passed to a person and hanging up; and where it
is paid for, that requests and tokens are counted.
"""

import asyncio
from typing import TYPE_CHECKING, Annotated, Any

from msgspec import Meta, Struct
from msgspec.structs import replace
from pipecat.frames.frames import Frame, LLMContextFrame
from pipecat.metrics.metrics import LLMTokenUsage
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.processors.frame_processor import FrameDirection
from pipecat.services.llm_service import LLMService
from pipecat.services.settings import LLMSettings
from pipecat.utils.errors import ErrorCategory, classify_http_exception, extract_http_status_code

from base.languages import Texts, primary
from processors.conversation import last_words
from processors.factory import CallContext, Persona
from processors.frames import AnsweredFrame, LanguageFrame, RetrievedFrame
from processors.llm.answers import Answer, farewell, frames_of, sentences_of, to_operator
from processors.llm.intents import Intent, Phrasebook, phrasebook
from processors.llm.prompt import system_prompt
from processors.metering import RateReachedError, Usage
from processors.prices import READ_TOKENS, Bill, Price, Tariff, estimated_tokens

if TYPE_CHECKING:
    _Service = LLMService[Any]
else:
    _Service = object


class ModelConfig(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What every hosted model is asked with."""

    temperature: Annotated[float, Meta(ge=0.0, le=2.0)] | None = None
    """Absent: the server's own; some models refuse any."""
    max_tokens: Annotated[int, Meta(ge=16, le=4096)] = 200
    """Of one answer; about two hundred are thirty seconds of speech."""
    deadline_s: Annotated[float, Meta(ge=0.5, le=60.0)] = 8.0
    """To the first word, and from each word to the next."""


class HostedConfig(ModelConfig, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What a model is asked with that is paid for."""

    price: Price | None = None
    """What the model costs; absent: what the provider's list says, where it is asked at its own address. Without
    either its cost is not known, and the assistant can have no `daily_cost`.
    """


class LanguageModelError(Exception):
    """The model did not answer; the message is ours, with nothing of what the provider sent."""


class Hosted(_Service):
    """Mixed in before a pipecat LLM service. `attend` is to be called once, right after making it."""

    _persona: Persona
    _phrases: Phrasebook
    _sentences: Texts
    _deadline_s: float
    _deadline: asyncio.Timeout | None
    _found: RetrievedFrame | None
    _bill: Bill | None
    _told_usage: bool
    _written_chars: int
    cache_is_input = True
    """Whether the provider counts what its cache had among the input tokens."""

    def attend(self, call: CallContext, deadline_s: float, bill: Bill | None = None) -> None:
        """Learn whose call this is. Without a `bill` nothing is counted."""
        self._persona = call.persona
        self._phrases = phrasebook(call.persona.language)
        self._sentences = sentences_of(call.persona)
        self._deadline_s = deadline_s
        self._deadline = None
        self._found = None
        self._bill = bill
        self._told_usage, self._written_chars = True, 0

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        if isinstance(frame, RetrievedFrame):
            self._found = frame
        elif isinstance(frame, LanguageFrame):
            await self._speak(frame.language)
        if isinstance(frame, LLMContextFrame) and direction is FrameDirection.DOWNSTREAM:
            found, self._found = self._found, None
            decided = self._decided(found.query if found else last_words(frame.context))
            if decided is not None:
                for said in frames_of(decided):
                    await self.push_frame(said)
                return
            source = found.passages[0].id if found and found.sure and found.passages else None
            await self.push_frame(AnsweredFrame(intent="free", passage_id=source))
        await super().process_frame(frame, direction)

    async def _speak(self, language: str) -> None:
        """Answer in another language from now on; in the operator's own words where it is the assistant's."""
        persona = self._persona
        if primary(language) != primary(persona.language):
            persona = replace(persona, language=language, texts={})
        self._phrases, self._sentences = phrasebook(persona.language), sentences_of(persona)
        await self._update_settings(LLMSettings(system_instruction=system_prompt(persona, self._sentences)))

    def _decided(self, spoken: str) -> Answer | None:
        """What is not left to the model."""
        intent = self._phrases.whole(spoken)
        if intent is Intent.OPERATOR:
            return to_operator(self._sentences)
        return farewell(self._sentences) if intent is Intent.GOODBYE else None

    async def _process_context(self, context: LLMContext) -> None:
        try:
            if self._bill is not None:
                self._bill.ask()
        except RateReachedError as error:
            await self.push_error(str(error), error, category=ErrorCategory.RATE_LIMIT)
            return
        self._told_usage, self._written_chars = False, 0
        try:
            async with asyncio.timeout(self._deadline_s) as self._deadline:
                await super()._process_context(context)  # type: ignore[misc]
        except TimeoutError as error:
            await self.push_error(f"the language model was silent for {self._deadline_s:g} s", error)
        except asyncio.CancelledError:
            self._estimate(context)  # nobody reads the end, where the provider would say it
            raise
        finally:
            self._deadline = None
            if self._written_chars:
                self._estimate(context)

    async def start_llm_usage_metrics(self, tokens: LLMTokenUsage) -> None:
        """pipecat's, with the usage that the provider has told; of an answer that is broken off, not all of it."""
        task = asyncio.current_task()
        broken_off = task is not None and task.cancelling() > 0
        self._count(replace(used_of(tokens, cache_is_input=self.cache_is_input), estimated=broken_off))
        await super().start_llm_usage_metrics(tokens)

    def _estimate(self, context: LLMContext) -> None:
        """What was asked and written, by its length, where nothing is told of it."""
        if not self._told_usage:
            said = sum(len(str(message)) for message in context.get_messages())
            read = estimated_tokens(said + len(str(self._settings.system_instruction or "")))
            written = estimated_tokens(self._written_chars)
            self._count(Usage(input_tokens=read, output_tokens=written, estimated=True))

    def _count(self, usage: Usage) -> None:
        self._told_usage = True
        if self._bill is not None:
            self._bill.used(usage)

    async def _push_llm_text(self, text: str) -> None:
        self._written_chars += len(text)
        if self._deadline is not None:
            self._deadline.reschedule(asyncio.get_running_loop().time() + self._deadline_s)
        await super()._push_llm_text(text)

    async def push_error(
        self,
        error_msg: str,
        exception: Exception | None = None,
        fatal: bool = False,
        category: ErrorCategory | None = None,
        force_treat_as_permanent: bool = False,
    ) -> None:
        """pipecat's, with our words: a provider's may quote the caller, the prompt or the key."""
        kind = category or (classify_http_exception(exception) if exception else None)
        ours = isinstance(exception, TimeoutError | RateReachedError)
        message = error_msg if ours else _told(kind, exception)
        told = exception if isinstance(exception, RateReachedError) else LanguageModelError(message)
        await super().push_error(message, told, category=kind, force_treat_as_permanent=force_treat_as_permanent)


def used_of(tokens: LLMTokenUsage, *, cache_is_input: bool) -> Usage:
    """The usage as a provider told it to pipecat."""
    cached, kept = tokens.cache_read_input_tokens or 0, tokens.cache_creation_input_tokens or 0
    return Usage(
        input_tokens=tokens.prompt_tokens + (0 if cache_is_input else cached + kept),
        cached_tokens=cached,
        cache_written_tokens=kept,
        input_audio_tokens=tokens.input_audio_tokens or 0,
        output_tokens=tokens.completion_tokens,
        output_audio_tokens=tokens.output_audio_tokens or 0,
    )


def turn_cost(price: Tariff | None, config: ModelConfig) -> float | None:
    """The most that a turn costs, in US dollars."""
    usage = Usage(input_tokens=READ_TOKENS, output_tokens=config.max_tokens)
    return None if price is None else price.cost(usage)


def prompt_of(call: CallContext) -> str:
    """The system prompt of a call's assistant."""
    return system_prompt(call.persona, sentences_of(call.persona))


def _told(kind: ErrorCategory | None, exception: Exception | None) -> str:
    status = extract_http_status_code(exception) if exception else None
    where = f" (HTTP {status})" if status else f" ({type(exception).__name__})" if exception else ""
    return f"the language model failed: {(kind or ErrorCategory.UNKNOWN).value}{where}"
