"""Lists in pages: an opaque cursor says where the next one goes on."""

import base64
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, Final, Generic, TypeVar

import msgspec
from litestar.params import QueryParameter
from msgspec import Meta, Struct

from base.ids import CallId
from control.api.problems import FieldError, Refusal
from pipelines.calls import Call
from tenants.call_search import Cursor

T = TypeVar("T")

MAX_LIMIT: Final = 200
Limit = Annotated[int, QueryParameter(ge=1, le=MAX_LIMIT, description="So many at most.")]
CursorText = Annotated[str | None, QueryParameter(max_length=400, description="`next` of the page before.")]


class Page(Struct, Generic[T], frozen=True, kw_only=True):
    """A part of a list. `next` is the `cursor` of the page behind it; null: this was the last."""

    items: Sequence[T]
    next: str | None = None


class Below(Struct, frozen=True):
    """A cursor of what is numbered, the newest first: the next page has smaller numbers."""

    number: Annotated[int, Meta(ge=1, le=2**31 - 1)]


class BehindCall(Struct, frozen=True):
    """A cursor of calls, the newest first, as it came back: somebody may have written it himself."""

    opened_at: Annotated[datetime, Meta(tz=True)]
    call_id: Annotated[str, Meta(pattern=r"^[!-~]{1,100}\Z")]

    def __post_init__(self) -> None:
        self.opened_at.astimezone(UTC)  # raises OverflowError beyond what a database has


def behind_call(text: str | None) -> Cursor | None:
    """The call of such a cursor. Raises the Refusal `bad-request`."""
    place: BehindCall | None = read(text, BehindCall)
    return None if place is None else Cursor(place.opened_at, CallId(place.call_id))


def after_call(call: Call) -> str:
    """The cursor behind this call."""
    return written(Cursor(call.opened_at, call.id))


def below(text: str | None) -> int | None:
    """The number of such a cursor that came back. Raises the Refusal `bad-request`."""
    place: Below | None = read(text, Below)
    return None if place is None else place.number


def written(place: Struct) -> str:
    """A cursor as it is sent."""
    return base64.urlsafe_b64encode(msgspec.json.encode(place)).decode().rstrip("=")


def read(text: str | None, kind: type[Any]) -> Any:
    """The place of a cursor that came back; None where none did. Raises the Refusal `bad-request`."""
    if text is None:
        return None
    try:
        raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        return msgspec.json.decode(raw, type=kind)
    except (ValueError, OverflowError, msgspec.MsgspecError):
        told = FieldError(path="cursor", message="not a cursor of ours; take `next` of the page before as it is")
        raise Refusal("bad-request", errors=[told]) from None
