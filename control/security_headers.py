"""Headers of every answer, whatever it answers: what a browser must not do with it.

After OWASP's REST Security Cheat Sheet. Nothing here is a page: no answer may be kept, framed, guessed the type of, or
load anything.
"""

from typing import Final

from litestar.datastructures import MutableScopeHeaders
from litestar.types import Message, Scope

ALWAYS: Final = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
OVER_TLS: Final = {"Strict-Transport-Security": "max-age=31536000"}
"""Where the proxy that we trust was asked over TLS. Of this name alone, since the domain has others."""


async def secured(message: Message, scope: Scope) -> None:
    """A hook for what is sent: a handler's own headers stand."""
    if message["type"] != "http.response.start":
        return
    message.setdefault("headers", [])
    headers = MutableScopeHeaders.from_message(message)
    for name, value in (ALWAYS | OVER_TLS if scope.get("scheme") == "https" else ALWAYS).items():
        headers.setdefault(name, value)
