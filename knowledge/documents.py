"""From a Markdown document to the passages that may answer a caller. Pure.

A heading that asks (it ends in `?`) makes one passage of all that stands under it: the heading is the
question, the text is the operator's own answer, word for word. Under any other heading each paragraph
is a passage of its own, cut at sentences where it is long. `# ` is the document's title and no heading.

Under a heading that asks, lines that begin with `>` are other ways in which callers ask the same. Each makes
a variant: a passage with that question, the same text and heading, and the id of its base with `~1`, `~2`, …
behind it. Variants are found, never told: whoever looks up gets the base.

A heading with nothing but such lines under it names what callers ask and nobody answers here: each line makes
a passage without a text. A question that is most like one of them is not answered.
"""

import re
from collections.abc import Iterator

from msgspec import Struct
from msgspec.structs import replace

from knowledge.passages import Passage

MAX_DOCUMENT_CHARS = 1_000_000
"""A larger file is refused: a receptionist's FAQ is far smaller, an export dumped by mistake is not."""

MAX_PASSAGE_CHARS = 600
"""About forty seconds of speech: more than a caller listens to."""

MAX_VARIANTS = 30
"""Of one passage; more ways of asking cost time at every question and gain little."""
MAX_UNANSWERED = 500
"""Under one heading."""
VARIANT = "~"

_ALSO = re.compile(r"^\s*>\s?")
_HEADING = re.compile(r"^(#{1,6})\s+(.*?)\s*#*\s*$")
_SENTENCE = re.compile(r"(?<=[.!?])\s+")
_LINK = re.compile(r"!?\[([^\]]*)\]\([^)]*\)")
_MARKS = re.compile(r"\*\*|__|`|(?<!\w)[*_](?=\S)|(?<=\S)[*_](?!\w)")
_BULLET = re.compile(r"^\s*(?:[-*+]|\d+[.)])\s+")


class DocumentError(ValueError):
    """The document cannot be used; the message names it and the fix."""


class Section(Struct, frozen=True):
    """What stands under one heading: the headings above it, its own, its paragraphs, and other ways of asking."""

    path: tuple[str, ...]
    paragraphs: tuple[str, ...]
    also: tuple[str, ...] = ()


def read_document(name: str, text: str) -> list[Passage]:
    """The passages of one document in order; ids are `name#1`, `name#2`, …

    Raises DocumentError when the text is too large or holds no passage.
    """
    if len(text) > MAX_DOCUMENT_CHARS:
        raise DocumentError(f"{name}: {len(text)} characters, at most {MAX_DOCUMENT_CHARS}; split the document")
    pieces = [(section, piece) for section in _sections(text) for piece in _pieces(section)]
    if not pieces:
        raise DocumentError(f"{name}: no text under any heading; write `## A question?` and its answer below")
    passages: list[Passage] = []
    for number, (section, (heading, question, words)) in enumerate(pieces, start=1):
        base = Passage(id=f"{name}#{number}", document=name, heading=heading, text=words, question=question)
        also = enumerate(section.also if question and words else (), start=1)
        passages += [base, *(replace(base, id=f"{base.id}{VARIANT}{place}", question=other) for place, other in also)]
    return passages


def base_id(passage_id: str) -> str:
    """The id of the passage itself, of a variant's."""
    return passage_id.partition(VARIANT)[0]


def plain(markdown: str) -> str:
    """The words alone, as a voice would read them: no emphasis, links or bullets, single spaces."""
    lines = (_BULLET.sub("", line) for line in markdown.splitlines())
    return " ".join(_MARKS.sub("", _LINK.sub(r"\1", " ".join(lines))).split())


def _sections(text: str) -> Iterator[Section]:
    path: list[str] = []
    lines: list[str] = []
    for line in [*text.splitlines(), "# "]:
        heading = _HEADING.match(line) if line != "# " else None
        if heading is None and line != "# ":
            lines.append(line)
            continue
        told = "\n".join(line for line in lines if not _ALSO.match(line))
        paragraphs = tuple(filter(None, (plain(part) for part in re.split(r"\n\s*\n", told))))
        also = tuple(filter(None, (plain(_ALSO.sub("", line)) for line in lines if _ALSO.match(line))))
        if paragraphs or also:
            yield Section(tuple(filter(None, path)), paragraphs, also[: MAX_VARIANTS if paragraphs else MAX_UNANSWERED])
        lines = []
        if heading is not None:
            _descend(path, len(heading.group(1)) - 2, plain(heading.group(2)))


def _descend(path: list[str], depth: int, heading: str) -> None:
    """Put a heading at its depth (0 = `##`); the title (`#`) empties the path."""
    del path[max(depth, 0) :]
    if depth >= 0:
        path.extend([""] * (depth - len(path)))
        path.append(heading)


def _pieces(section: Section) -> Iterator[tuple[str, str, str]]:
    """(heading path, question or nothing, text) of each passage."""
    heading = " › ".join(section.path)
    question = section.path[-1] if section.path and section.path[-1].endswith("?") else ""
    if not section.paragraphs:
        yield from ((heading, asked, "") for asked in section.also)
        return
    whole = " ".join(section.paragraphs)
    if question and len(whole) <= MAX_PASSAGE_CHARS:
        yield heading, question, whole
        return
    for paragraph in section.paragraphs:
        for chunk in _chunks(paragraph):
            yield heading, question, chunk


def _chunks(paragraph: str) -> Iterator[str]:
    """Runs of whole sentences no longer than a passage may be; one longer sentence is cut at a space."""
    chunk = ""
    for sentence in (part for whole in _SENTENCE.split(paragraph) for part in _cut(whole)):
        if chunk and len(chunk) + 1 + len(sentence) > MAX_PASSAGE_CHARS:
            yield chunk
            chunk = sentence
        else:
            chunk = f"{chunk} {sentence}".strip()
    if chunk:
        yield chunk


def _cut(sentence: str) -> Iterator[str]:
    while len(sentence) > MAX_PASSAGE_CHARS:
        at = sentence.rfind(" ", 1, MAX_PASSAGE_CHARS)
        at = at if at > 0 else MAX_PASSAGE_CHARS
        yield sentence[:at]
        sentence = sentence[at:].strip()
    yield sentence
