"""A POST that is sent again with the same `Idempotency-Key` acts once, and is answered as it was the first time.

Whichever process it is sent to: what was asked and answered is in the database for ten minutes, by API key, address and
idempotency key. What failed on our side (5xx) or was refused for its pace (429) is not kept: it may be tried again.
The answer is kept before it is sent, sealed by what only the client has: an answer may have a key in it.
"""

import gzip
import hashlib
import hmac
import secrets
from collections.abc import Callable
from typing import Any, Final

import msgspec
import structlog
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from litestar import Request
from litestar.enums import ScopeType
from litestar.middleware import ASGIMiddleware
from litestar.types import ASGIApp, Message, Receive, Scope, Send
from msgspec import Struct

from control.api.problems import FieldError, Refusal
from tenants.idempotency_store import (
    Answered,
    Claim,
    IdempotencyStore,
    IdempotencyUnavailableError,
    Reused,
    Working,
)
from tenants.sealing import NONCE_BYTES

HEADER: Final = "Idempotency-Key"
MAX_LENGTH: Final = 200
MAX_ANSWER_BYTES: Final = 64 * 1024
"""Of a longer answer only its status is kept."""

log = structlog.get_logger()


class _Kept(Struct, frozen=True, array_like=True):
    """An answer. `body` is None for one that was too long."""

    status: int
    headers: list[tuple[bytes, bytes]]
    body: bytes | None


class _Seal:
    """Of one request's answer: whoever has the database alone cannot read it, nor put another in its place."""

    def __init__(self, authorization: str, written: str, claim: Claim) -> None:
        text = authorization.partition(" ")[2].strip().encode()
        self._key = AESGCM(hmac.digest(text, b"atende: idempotent answer\0" + written.encode(), "sha256"))
        self._place = claim.name + claim.request

    def seal(self, kept: _Kept) -> bytes:
        nonce = secrets.token_bytes(NONCE_BYTES)
        return nonce + self._key.encrypt(nonce, msgspec.msgpack.encode(kept), self._place)

    def open(self, answer: bytes) -> _Kept:
        """Raises the Refusal `conflict` for one that was altered."""
        try:
            text = self._key.decrypt(answer[:NONCE_BYTES], answer[NONCE_BYTES:], self._place)
            return msgspec.msgpack.decode(text, type=_Kept)
        except (InvalidTag, ValueError, msgspec.MsgspecError):
            raise Refusal("conflict", f"what was answered with this {HEADER} cannot be read") from None


class Idempotency(ASGIMiddleware):
    """Behind the authentication: whose request it is counts."""

    scopes = (ScopeType.HTTP,)

    def __init__(self, store: Callable[[], IdempotencyStore]) -> None:
        """`store` raises the Refusal `unavailable` while the service starts."""
        self._store = store

    async def handle(self, scope: Scope, receive: Receive, send: Send, next_app: ASGIApp) -> None:
        """Raises the Refusals `bad-request`, `conflict`, `idempotency-key-reused` and IdempotencyUnavailableError."""
        request: Request[Any, Any, Any] = Request(scope, receive, send)
        written = request.headers.get(HEADER)
        if written is None or request.method != "POST":
            await next_app(scope, receive, send)
            return
        if not 1 <= len(written) <= MAX_LENGTH or not written.isprintable():
            told = FieldError(path=HEADER, message=f"1 to {MAX_LENGTH} printable characters")
            raise Refusal("bad-request", errors=[told])
        store, whose = self._store(), request.user.tenant_id
        claim = _claim(request, written, await request.body())
        seal = _Seal(request.headers.get("authorization", ""), written, claim)
        found = await store.claim(whose, claim)
        match found:
            case Reused():
                raise Refusal(
                    "idempotency-key-reused", f"this {HEADER} was sent with another body or If-Match; take another one"
                )
            case Working():
                told_again = f"the first request with this {HEADER} is being worked on"
                raise Refusal("conflict", told_again, headers={"Retry-After": "2"})
            case Answered(answer):
                await _replay(seal.open(answer), send)
                return
        sent: list[Message] = []
        try:
            await next_app(scope, receive, _into(sent))
        except Exception:
            await _keep(store, found.attempt, whose, claim, _answer_of(sent), seal)
            raise
        # Who is cancelled, since the service ends, may have acted: it is as where the process dies.
        await _keep(store, found.attempt, whose, claim, _answer_of(sent), seal)
        for message in sent:
            await send(message)


def _claim(request: Request[Any, Any, Any], written: str, body: bytes) -> Claim:
    place = "\0".join((request.url.path, request.url.query or "", written))
    name = hashlib.sha256(place.encode("utf-8", "surrogatepass"))
    asked = hashlib.sha256(request.headers.get("if-match", "").encode("utf-8", "surrogatepass") + b"\0" + body)
    return Claim(key_id=request.user.key_id, name=name.digest(), request=asked.digest())


def _into(sent: list[Message]) -> Send:
    async def hold(message: Message) -> None:
        sent.append(message)

    return hold


def _answer_of(sent: list[Message]) -> _Kept | None:
    """None: there is none that is to be kept."""
    if not sent or sent[0]["type"] != "http.response.start":
        return None
    status = sent[0]["status"]
    if status >= 500 or status == 429:
        return None
    body = b"".join(message["body"] for message in sent[1:] if message["type"] == "http.response.body")
    headers = [(bytes(name).lower(), bytes(value)) for name, value in sent[0]["headers"]]
    if (b"content-encoding", b"gzip") in headers:  # this request allowed it; the next may not
        body = gzip.decompress(body)
        headers = [one for one in headers if one[0] not in (b"content-encoding", b"content-length")]
        headers.append((b"content-length", str(len(body)).encode()))
    return _Kept(status, headers, body) if len(body) <= MAX_ANSWER_BYTES else _Kept(status, [], None)


async def _keep(
    store: IdempotencyStore, attempt: str, whose: Any, claim: Claim, answer: _Kept | None, seal: _Seal
) -> None:
    try:
        if answer is None:
            await store.released(whose, claim, attempt)
        else:
            await store.answered(whose, claim, attempt, seal.seal(answer))
    except IdempotencyUnavailableError as error:  # it has been done: that is to be told all the same
        log.warning("an answer could not be kept for a request that is sent again", error=str(error))


async def _replay(kept: _Kept, send: Send) -> None:
    if kept.body is None:
        raise Refusal("conflict", f"it was done, and answered with {kept.status}, too long to be told once more")
    headers = [*kept.headers, (b"idempotency-replayed", b"true")]
    await send({"type": "http.response.start", "status": kept.status, "headers": headers})
    await send({"type": "http.response.body", "body": kept.body, "more_body": False})
