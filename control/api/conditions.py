"""Preconditions of a request, as RFC 9110 has them: `If-Match` (13.1.1) and `If-None-Match` (13.1.2). Pure."""

import re
from typing import Annotated, Final

from litestar.params import HeaderParameter
from msgspec import Struct

from control.api.problems import FieldError, Refusal
from tenants.put_errors import OneOf

MAX_CHARS: Final = 2000
IfMatch = Annotated[
    str | None,
    HeaderParameter(
        name="If-Match",
        max_length=MAX_CHARS,
        description="The `ETag` of what is to be replaced, or several; `*`: whatever is there.",
    ),
]
IfNoneMatch = Annotated[
    str | None,
    HeaderParameter(name="If-None-Match", max_length=MAX_CHARS, description="`*`: there must be none yet."),
]
Unless = Annotated[
    str | None,
    HeaderParameter(
        name="If-None-Match", max_length=MAX_CHARS, description="The `ETag` of what is known: that is not sent again."
    ),
]
_TAG: Final = re.compile(r'[ \t]*(W/)?"([\x21\x23-\x7e\x80-\xff]*)"[ \t]*(?:,|\Z)|[ \t]*(?:,|\Z)')


class Tags(Struct, frozen=True):
    """What stands in such a header. `every`: a `*`."""

    strong: frozenset[str] = frozenset()
    weak: frozenset[str] = frozenset()
    every: bool = False


def tags(name: str, text: str) -> Tags:
    """Raises the Refusal `bad-request`."""
    if text.strip(" \t") == "*":
        return Tags(every=True)
    strong: set[str] = set()
    weak: set[str] = set()
    at = 0
    while at < len(text):
        if (match := _TAG.match(text, at)) is None:
            told = FieldError(path=name, message='an ETag in its quotes, "…", several with commas between them, or *')
            raise Refusal("bad-request", errors=[told])
        if match[2] is not None:
            (weak if match[1] else strong).add(match[2])
        at = match.end()
    return Tags(frozenset(strong), frozenset(weak))


def expected(if_match: str | None) -> OneOf:
    """What may be replaced: never by a weak ETag. Raises the Refusals `precondition-required` and `bad-request`."""
    if if_match is None:
        raise Refusal("precondition-required", "send the ETag of what is to be replaced as If-Match")
    found = tags("If-Match", if_match)
    return OneOf(None if found.every else found.strong)


def creates(if_match: str | None, if_none_match: str | None) -> bool:
    """Whether there must be nothing yet. Raises the Refusals `bad-request`, and `stale` where both cannot hold."""
    if if_none_match is None:
        return False
    if not tags("If-None-Match", if_none_match).every:
        told = FieldError(path="If-None-Match", message="only * can be asked of a change: there must be none yet")
        raise Refusal("bad-request", errors=[told])
    if if_match is not None:
        raise Refusal("stale", "what is to be replaced cannot be absent, too")
    return True


def is_known(if_none_match: str | None, digest: str) -> bool:
    """Whether who asks has what is there. A weak ETag matches, too. Raises the Refusal `bad-request`."""
    if if_none_match is None:
        return False
    found = tags("If-None-Match", if_none_match)
    return found.every or digest in found.strong | found.weak
