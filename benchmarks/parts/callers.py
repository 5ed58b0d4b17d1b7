"""Recorded callers: where they are, what they say, and how they ring."""

from pathlib import Path

import msgspec
from msgspec import Struct

from benchmarks.parts.served import Served
from control.peer import Dialed
from tenants.signing import NUMBER_VARIABLE, SIGNATURE_VARIABLE, TENANT_VARIABLE

FIRST, SECOND, THIRD = "questions", "questions_blind", "questions_third"
FOURTH, FIFTH = "questions_fourth", "questions_fifth"
"""Written before there was a retriever; when it was first finished; before it asked back; when it did so; and when it
went on to the next best after a no."""
_FOLDERS = {"q": FIRST, "b": SECOND, "t": THIRD, "f": FOURTH, "g": FIFTH}
DATA = Path(__file__).parents[2] / "tests" / "data"


class Utterance(Struct, frozen=True):
    """A recording and its words."""

    path: Path
    language: str
    text: str


class _Text(Struct, frozen=True):
    """An entry of a speech set's texts."""

    lang: str
    text: str


class Question(Struct, frozen=True):
    """A question for a tenant; without a document it has no answer."""

    id: str
    lang: str
    tenant: str
    text: str
    document: str | None
    heading: str | None
    facts: tuple[str, ...]

    @property
    def path(self) -> Path:
        """Its recording."""
        return DATA / _FOLDERS[self.id.partition("_")[2][0]] / f"{self.id}.wav"

    def reply(self, *, yes: bool) -> Path:
        """A recording of a caller who is asked back."""
        return DATA / "speech" / "replies" / f"{self.lang.partition('-')[0]}_{'yes' if yes else 'no'}.wav"


def utterances(folder: str) -> list[Utterance]:
    """A speech set, in the order of its names: `first` or `second`."""
    root = DATA / "speech" / folder
    texts = msgspec.json.decode((root / "texts.json").read_bytes(), type=dict[str, _Text])
    return [
        Utterance(root / (name if name.endswith(".wav") else f"{name}.wav"), entry.lang, entry.text)
        for name, entry in sorted(texts.items())
    ]


def questions(folder: str, *, spoken: bool = True) -> list[Question]:
    """A set of questions over the demo documents: FIRST to FIFTH; `spoken`: those with a recording."""
    every = msgspec.json.decode((DATA / folder / "questions.json").read_bytes(), type=list[Question])
    return [question for question in every if question.path.is_file() or not spoken]


def dialed(service: Served, slug: str, number: str | None = None) -> Dialed:
    """A call to a tenant as its dialplan would hand it over."""
    tenant_id, signatures = service.ready.tenants[slug]
    number = number or next(iter(signatures))
    variables = {TENANT_VARIABLE: tenant_id, NUMBER_VARIABLE: number, SIGNATURE_VARIABLE: signatures[number]}
    return Dialed(number=number, variables=variables)
