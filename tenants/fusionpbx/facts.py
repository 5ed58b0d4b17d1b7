"""What stands in FusionPBX's columns, as values: everything there is text that somebody typed.

Until FusionPBX 5.4 most flags are `text` ('true', 'false'), from 5.5 on `boolean`; as text both read `true`, `t` or
the like. NULL and '' mean the same.
"""

import re
import unicodedata
from collections.abc import Collection, Iterator
from datetime import UTC, date, datetime
from typing import Final

from msgspec import Struct

WORDS_CHARS: Final = 100
"""Of a name, in a document."""
NUMBER_CHARS: Final = 32
_TRUE: Final = frozenset({"true", "t", "1", "yes", "y", "on", "enabled"})
_NUMBER: Final = re.compile(r"\+?[0-9*#]{1,32}")
_WHOLE: Final = re.compile(r"([0-9]{1,9})(?:\.0*)?")
_RANGE: Final = re.compile(r"([0-9]{1,4})(?:-([0-9]{1,4}))?")
_MOMENT: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}(?::[0-9]{2})?")


def cleaned(value: str | None) -> str:
    """Trimmed text of printable characters and line feeds, no blanks at a line's end; '' for NULL."""
    lines = (value or "").replace("\r\n", "\n").replace("\r", "\n").split("\n")
    return "\n".join("".join(map(_printable, one)).rstrip() for one in lines).strip()


def _printable(character: str) -> str:
    if character.isprintable():
        return character
    # What has no width (a byte order mark, a joiner) separates no words.
    return "" if unicodedata.category(character) == "Cf" else " "


def line(value: str, most: int = WORDS_CHARS) -> str:
    """The text in one line, cut to `most` characters."""
    return " ".join(cleaned(value).split())[:most].rstrip()


def truth(value: str, *, empty: bool = False) -> bool:
    """A flag in either dialect; `empty` is what NULL and '' mean."""
    return value.strip().lower() in _TRUE if value.strip() else empty


def number(value: str) -> str:
    """An extension or a telephone number without its separators; '' when it is none."""
    bare = re.sub(r"[ ().\-/]", "", value)
    return bare if _NUMBER.fullmatch(bare) else ""


def whole(value: str) -> int | None:
    """A number that is not negative, out of an integer, numeric or text column."""
    found = _WHOLE.fullmatch(value.strip())
    return int(found[1]) if found else None


def slug(value: str, otherwise: str) -> str:
    """A short name that can be read: 'Clínica São José' → 'clinica-sao-jose'. `otherwise` where no letter begins it."""
    plain = unicodedata.normalize("NFKD", value).encode("ascii", "ignore").decode().lower()
    short = re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:40].rstrip("-")
    if re.match(r"[a-z]", short):
        return short
    return f"{otherwise}-{short}" if short else otherwise


def unique(base: str, taken: Collection[str]) -> str:
    """The name, or the first of name-2, name-3 … that is not taken."""
    name, count = base, 1
    while name in taken:
        count += 1
        name = f"{base}-{count}"
    return name


class Range(Struct, frozen=True):
    """Whole numbers, both ends included."""

    first: int
    last: int

    def __iter__(self) -> Iterator[int]:
        return iter(range(self.first, self.last + 1))


def ranges(value: str, low: int, high: int) -> list[Range]:
    """`2-6`, `2`, `2,4-6`; [] where one of them is no range of numbers from `low` to `high`."""
    found: list[Range] = []
    for part in value.replace(" ", "").split(","):
        match = _RANGE.fullmatch(part)
        if match is None:
            return []
        first = int(match[1])
        last = int(match[2]) if match[2] else first
        if not low <= first <= last <= high:
            return []
        found.append(Range(first, last))
    return found


def day(year: int, month: int, of_month: int) -> date | None:
    """The day, if a calendar has it."""
    try:
        return date(year, month, of_month)
    except ValueError:
        return None


def span(value: str) -> tuple[datetime, datetime] | None:
    """`YYYY-MM-DD HH:MM~YYYY-MM-DD HH:MM` as two clock times; None when it is not that."""
    start, _, end = (part.strip() for part in value.partition("~"))
    if not (_MOMENT.fullmatch(start) and _MOMENT.fullmatch(end)):
        return None
    try:
        # The zone is that of whoever wrote it: both are read on the same clock.
        return tuple(datetime.fromisoformat(moment).replace(tzinfo=UTC) for moment in (start, end))  # type: ignore[return-value]
    except ValueError:
        return None
