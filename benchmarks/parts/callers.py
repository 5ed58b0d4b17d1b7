"""Recorded callers: where they are, what they say, and how they ring."""

from pathlib import Path

import msgspec
from msgspec import Struct

from benchmarks.parts.served import Served
from control.peer import Dialed
from tenants.signing import NUMBER_VARIABLE, SIGNATURE_VARIABLE, TENANT_VARIABLE

FIRST, BLIND = "questions", "questions_blind"
"""Written before there was a retriever; and written when it was finished, by reading the documents alone."""
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
        return DATA / (BLIND if "_b" in self.id else FIRST) / f"{self.id}.wav"


def utterances(folder: str) -> list[Utterance]:
    """A speech set, in the order of its names: `first` or `second`."""
    root = DATA / "speech" / folder
    texts = msgspec.json.decode((root / "texts.json").read_bytes(), type=dict[str, _Text])
    return [
        Utterance(root / (name if name.endswith(".wav") else f"{name}.wav"), entry.lang, entry.text)
        for name, entry in sorted(texts.items())
    ]


def questions(folder: str) -> list[Question]:
    """A set of spoken questions over the demo documents: FIRST or BLIND."""
    return msgspec.json.decode((DATA / folder / "questions.json").read_bytes(), type=list[Question])


def dialed(service: Served, slug: str, number: str | None = None) -> Dialed:
    """A call to a tenant as its dialplan would hand it over."""
    tenant_id, signatures = service.ready.tenants[slug]
    number = number or next(iter(signatures))
    variables = {TENANT_VARIABLE: tenant_id, NUMBER_VARIABLE: number, SIGNATURE_VARIABLE: signatures[number]}
    return Dialed(number=number, variables=variables)
