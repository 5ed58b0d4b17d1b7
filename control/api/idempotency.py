"""A POST that is sent again with the same `Idempotency-Key` acts once, and is answered as it was the first time.

Kept in this process for `KEPT_S`, by API key, address and idempotency key; at most `MAX_KEPT` answers, and `MAX_OF_ONE`
of one tenant, so that none has another's forgotten. What failed on our side (5xx) or was refused for its pace (429) is
not kept: it may be tried again.
"""

import hashlib
from collections import OrderedDict
from typing import Any, Final

from litestar import Request
from litestar.datastructures import MutableScopeHeaders
from litestar.enums import ScopeType
from litestar.middleware import ASGIMiddleware
from litestar.types import ASGIApp, Message, Receive, Scope, Send

from base.clock import Clock
from control.api.problems import FieldError, Refusal

HEADER: Final = "Idempotency-Key"
MAX_LENGTH: Final = 200
KEPT_S: Final = 600.0
MAX_KEPT: Final = 10_000
MAX_OF_ONE: Final = 500


class _Answer:
    """What was answered; `messages` is None while it is being worked on."""

    def __init__(self, body: str, at: float) -> None:
        self.body = body
        self.at = at
        self.messages: list[Message] | None = None


class Idempotency(ASGIMiddleware):
    """Behind the authentication: whose request it is counts."""

    scopes = (ScopeType.HTTP,)

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._answers: OrderedDict[tuple[str, ...], _Answer] = OrderedDict()

    async def handle(self, scope: Scope, receive: Receive, send: Send, next_app: ASGIApp) -> None:
        """Raises the Refusals `bad-request` and `conflict`."""
        request: Request[Any, Any, Any] = Request(scope, receive, send)
        written = request.headers.get(HEADER)
        if written is None or request.method != "POST":
            await next_app(scope, receive, send)
            return
        if not 1 <= len(written) <= MAX_LENGTH or not written.isprintable():
            told = FieldError(path=HEADER, message=f"1 to {MAX_LENGTH} printable characters")
            raise Refusal("bad-request", errors=[told])
        body = hashlib.sha256(await request.body()).hexdigest()
        name = (request.user.tenant_id or "", request.user.key_id, request.url.path, request.url.query or "", written)
        known = self._known(name)
        if known is None:
            await self._first(name, body, scope, receive, send, next_app)
        elif known.body != body:
            raise Refusal("conflict", f"this {HEADER} was sent with another body; take another one")
        elif known.messages is None:
            raise Refusal("conflict", f"the first request with this {HEADER} is being worked on")
        else:
            for message in known.messages:
                await send(message)

    def _known(self, name: tuple[str, ...]) -> _Answer | None:
        now = self._clock.monotonic()
        while self._answers and next(iter(self._answers.values())).at < now - KEPT_S:
            self._answers.popitem(last=False)
        return self._answers.get(name)

    def _make_room(self, tenant_id: str) -> None:
        """Forget the oldest; never one that is being worked on, which would act twice."""
        if len(self._answers) <= MAX_OF_ONE:
            return
        answered = [name for name, answer in self._answers.items() if answer.messages is not None]
        own = [name for name in answered if name[0] == tenant_id]
        for name in (*own[: max(0, len(own) - MAX_OF_ONE)], *answered[: max(0, len(answered) - MAX_KEPT)]):
            self._answers.pop(name, None)

    async def _first(
        self, name: tuple[str, ...], body: str, scope: Scope, receive: Receive, send: Send, next_app: ASGIApp
    ) -> None:
        answer = self._answers[name] = _Answer(body, self._clock.monotonic())
        self._make_room(name[0])
        sent: list[Message] = []
        again = True

        async def keep(message: Message) -> None:
            nonlocal again
            if message["type"] == "http.response.start":
                again = message["status"] >= 500 or message["status"] == 429
            sent.append(message)
            await send(message)

        try:
            await next_app(scope, receive, keep)
        finally:
            if again:
                self._answers.pop(name, None)
            else:
                answer.messages = [_replay(message) for message in sent]


def _replay(message: Message) -> Message:
    if message["type"] != "http.response.start":
        return message
    copy = {**message, "headers": list(message["headers"])}
    MutableScopeHeaders(copy)["Idempotency-Replayed"] = "true"  # type: ignore[arg-type]
    return copy  # type: ignore[return-value]
