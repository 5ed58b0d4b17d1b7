"""Bodies that a handler reads itself: of which media types they may be, and that they come as they are."""

from typing import Any, Final

from litestar import Request
from msgspec import Struct

from control.api.described import JSON, PLAIN, YAML
from control.api.problems import Refusal


class Taken(Struct, frozen=True):
    """What is taken. A request without a `Content-Type` is read as the first of them."""

    types: tuple[str, ...]
    fix: str
    """How it is sent, for who sent it otherwise."""


DOCUMENT: Final = Taken(
    (YAML, "application/x-yaml", "text/yaml", "text/x-yaml", PLAIN, "application/octet-stream", JSON),
    "send a document as `Content-Type: application/yaml` or `application/json` "
    "(curl: -H 'Content-Type: application/yaml' --data-binary @FILE)",
)
SECRET: Final = Taken(
    (PLAIN, JSON),
    "send the value alone as `Content-Type: text/plain` "
    '(curl: -H \'Content-Type: text/plain\' --data-binary @FILE), or {"value": "…"} as `application/json`',
)
PLAINLY: Final = ("", "identity")
MAX_TOLD_CHARS: Final = 60


def refuse_encoded(request: Request[Any, Any, Any]) -> None:
    """Nothing is unpacked here. Raises the Refusal `unsupported-media-type`."""
    encoding = request.headers.get("content-encoding", "").strip().lower()
    if request.method in ("PUT", "POST") and encoding not in PLAINLY:
        told = f"a body with `Content-Encoding: {encoding[:MAX_TOLD_CHARS]}` is not unpacked here; send it as it is"
        raise Refusal("unsupported-media-type", told)


async def body_of(request: Request[Any, Any, Any], taken: Taken) -> tuple[str, bytes]:
    """Its media type and the body. Raises the Refusal `unsupported-media-type` for what would be something else's."""
    written, options = request.content_type
    media_type = written.lower() or taken.types[0]
    if media_type not in taken.types:
        raise Refusal("unsupported-media-type", f"`{media_type[:MAX_TOLD_CHARS]}` is not taken here; {taken.fix}")
    charset = options.get("charset", "utf-8").lower()
    if charset not in ("utf-8", "utf8", "us-ascii"):
        raise Refusal("unsupported-media-type", f"only UTF-8 is read, not {charset[:MAX_TOLD_CHARS]!r}; {taken.fix}")
    return media_type, await request.body()
