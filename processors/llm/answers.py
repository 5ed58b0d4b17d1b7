"""What an `llm.*` stage says to one turn, and the frames that carry it."""

from typing import Literal, TypeAlias

from msgspec import Struct, structs
from pipecat.frames.frames import Frame, LLMFullResponseEndFrame, LLMFullResponseStartFrame, LLMTextFrame

from base.languages import LanguageUnknownError, Texts, texts
from processors.factory import Persona, PrepareError
from processors.frames import AnsweredFrame, CallRequestFrame

_NAMES = frozenset(field.name for field in structs.fields(Texts))
Kind: TypeAlias = Literal[
    "answer", "confirm", "greeting", "repeat", "operator", "goodbye", "not_understood", "unanswerable", "free"
]
Offer: TypeAlias = Literal["operator", "more", "passage"]


class Answer(Struct, frozen=True):
    """What to say, why, and what to do with the call afterwards."""

    kind: Kind
    text: str
    passage_id: str | None = None
    request: Literal["hangup", "operator"] | None = None
    offers: Offer | None = None
    """What a "yes" would now mean."""


def frames_of(answer: Answer) -> list[Frame]:
    """The decision, the words, and what is to be done with the call once they were heard."""
    frames: list[Frame] = [
        AnsweredFrame(intent=answer.kind, passage_id=answer.passage_id),
        LLMFullResponseStartFrame(),
        LLMTextFrame(answer.text),
        LLMFullResponseEndFrame(),
    ]
    if answer.request is not None:
        frames.append(CallRequestFrame(request=answer.request))
    return frames


def to_operator(sentences: Texts) -> Answer:
    """The caller is passed to a person."""
    return Answer("operator", sentences.operator, request="operator")


def farewell(sentences: Texts) -> Answer:
    """The call ends in good order."""
    return Answer("goodbye", sentences.farewell, request="hangup")


def sentences_of(persona: Persona) -> Texts:
    """The persona's fixed sentences, the language's own where it has none. Raises PrepareError."""
    try:
        own = texts(persona.language)
    except LanguageUnknownError as error:
        raise PrepareError(f"the assistant {persona.name} speaks no {persona.language!r}: {error}") from error
    given = {key: text for key, text in persona.texts.items() if key in _NAMES}
    return own.filled(company=persona.company, assistant=persona.name, own=given)
