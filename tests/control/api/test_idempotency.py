"""A POST that is sent again: by the middleware itself, in time that is set."""

import asyncio
import gzip
from types import SimpleNamespace
from typing import Any, cast

import pytest
from litestar.types import ASGIApp, Scope

from base.clock import Clock
from control.api.idempotency import MAX_ANSWER_BYTES, MAX_LENGTH, Idempotency
from control.api.problems import Refusal
from tenants.idempotency_store import IdempotencyUnavailableError, Lifetimes, MemoryIdempotency
from tests.control.api.house import ACME
from tests.pipelines.virtual import eventually


class Desk:
    """The middleware before a handler that counts, with a clock that is set."""

    def __init__(self) -> None:
        self.at = 100.0
        self.acted = 0
        self.status = 200
        self.hold: asyncio.Event | None = None
        self.body: bytes | None = None
        self.headers: list[tuple[bytes, bytes]] = []
        self.store = MemoryIdempotency(cast(Clock, SimpleNamespace(monotonic=lambda: self.at)))
        self._middleware = Idempotency(lambda: self.store)

    async def _act(self, _scope: Any, receive: Any, send: Any) -> None:
        await receive()
        self.acted += 1
        number = self.acted
        if self.hold is not None:
            await self.hold.wait()
        if not self.status:
            raise RuntimeError
        await send({"type": "http.response.start", "status": self.status, "headers": self.headers})
        await send({"type": "http.response.body", "body": self.body or str(number).encode(), "more_body": False})

    async def post(
        self,
        key: str | None = "k",
        *,
        who: str = "aaaaaaaaaaaa",
        tenant: str = ACME,
        path: str = "/x",
        query: str = "",
        body: bytes = b"",
        method: str = "POST",
        bearer: str = "secret",
        if_match: str = "",
    ) -> tuple[int, str]:
        """Status and body of the answer."""
        headers = [(b"authorization", f"Bearer {bearer}".encode())]
        headers += [(b"if-match", if_match.encode())] if if_match else []
        headers += [] if key is None else [(b"idempotency-key", key.encode())]
        scope = {
            "type": "http",
            "method": method,
            "path": path,
            "raw_path": path.encode(),
            "query_string": query.encode(),
            "headers": headers,
            "server": ("x", 80),
            "scheme": "http",
            "user": SimpleNamespace(key_id=who, tenant_id=tenant),
            "state": {},
            "route_handler": SimpleNamespace(resolve_request_max_body_size=lambda: 1000),
        }
        self.sent: list[Any] = []
        sent = self.sent

        async def receive() -> Any:
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message: Any) -> None:
            sent.append(message)

        await self._middleware.handle(cast(Scope, scope), receive, cast(Any, send), cast(ASGIApp, self._act))
        return sent[0]["status"], sent[1]["body"].decode(errors="replace")


@pytest.mark.parametrize(
    "other",
    [
        {"key": "l"},
        {"who": "bbbbbbbbbbbb"},
        {"path": "/y"},
        {"query": "dry_run=true"},
        {"key": None},
        {"method": "PUT"},
    ],
)
async def test_what_is_another_request_acts(other: dict[str, Any]) -> None:
    desk = Desk()
    assert [await desk.post(), await desk.post()] == [(200, "1"), (200, "1")]
    assert await desk.post(**other) == (200, "2")


@pytest.mark.parametrize("other", [{"body": b"b"}, {"if_match": '"2"'}])
async def test_another_body_or_condition_is_refused(other: dict[str, Any]) -> None:
    desk = Desk()
    await desk.post(body=b"a", if_match='"1"')
    with pytest.raises(Refusal) as refused:
        await desk.post(**{"body": b"a", "if_match": '"1"'} | other)
    assert refused.value.status_code == 422
    assert desk.acted == 1


async def test_while_the_first_is_being_worked_on_nothing_acts_twice() -> None:
    desk = Desk()
    desk.hold = asyncio.Event()
    first = asyncio.create_task(desk.post())
    await eventually(lambda: desk.acted == 1)
    with pytest.raises(Refusal) as refused:
        await desk.post()
    assert refused.value.status_code == 409
    desk.hold.set()
    assert await first == (200, "1")
    assert await desk.post() == (200, "1")


@pytest.mark.parametrize("status", [429, 500, 503])
async def test_what_may_be_tried_again_is_not_kept(status: int) -> None:
    desk = Desk()
    desk.status = status
    assert await desk.post() == (status, "1")
    desk.status = 200
    assert await desk.post() == (200, "2")


async def test_an_answer_is_kept_for_ten_minutes() -> None:
    desk = Desk()
    await desk.post()
    desk.at += Lifetimes().kept_s - 1.0
    assert await desk.post() == (200, "1")
    desk.at += 1.0
    assert await desk.post() == (200, "2")


@pytest.mark.parametrize("key", ["", "x" * (MAX_LENGTH + 1), "a\tb"])
async def test_a_key_that_is_none_is_told(key: str) -> None:
    desk = Desk()
    with pytest.raises(Refusal) as refused:
        await desk.post(key)
    assert (refused.value.status_code, desk.acted) == (400, 0)
    assert await desk.post("x" * MAX_LENGTH) == (200, "1")


async def test_an_answer_is_sealed_by_what_only_the_client_has() -> None:
    """The answer of a key's making has the key in it."""
    desk = Desk()
    desk.body = b"atende_secret"
    assert await desk.post() == (200, "atende_secret")
    [row] = desk.store._rows.values()
    assert row.answer is not None
    assert b"atende" not in row.answer
    assert await desk.post() == (200, "atende_secret")
    with pytest.raises(Refusal) as refused:
        await desk.post(bearer="another")
    assert refused.value.status_code == 409
    row.answer = row.answer[:-1] + bytes([row.answer[-1] ^ 1])
    with pytest.raises(Refusal, match="cannot be read"):
        await desk.post()
    assert desk.acted == 1


async def test_an_answer_that_was_compressed_is_told_again_to_who_does_not_take_that() -> None:
    desk, text = Desk(), b"x" * 2000
    desk.body = gzip.compress(text)
    desk.headers = [(b"content-encoding", b"gzip"), (b"content-length", str(len(desk.body)).encode()), (b"etag", b"1")]
    await desk.post()
    assert desk.sent[1]["body"] == desk.body, "as it was asked for"
    assert await desk.post() == (200, text.decode())
    headers = dict(desk.sent[0]["headers"])
    assert headers == {b"etag": b"1", b"content-length": b"2000", b"idempotency-replayed": b"true"}


async def test_an_answer_that_is_too_long_is_not_told_once_more_and_acts_once() -> None:
    desk = Desk()
    desk.body = b"x" * (MAX_ANSWER_BYTES + 1)
    assert (await desk.post())[0] == 200
    with pytest.raises(Refusal, match="answered with 200, too long"):
        await desk.post()
    assert desk.acted == 1


async def test_what_ends_without_an_answer_may_be_tried_again() -> None:
    desk = Desk()
    desk.status = 0
    with pytest.raises(RuntimeError):
        await desk.post()
    desk.status = 200
    assert await desk.post() == (200, "2")


async def test_what_is_cut_off_when_the_service_ends_may_have_been_done_and_does_not_act_at_once_again() -> None:
    desk = Desk()
    desk.hold = asyncio.Event()
    first = asyncio.create_task(desk.post())
    await eventually(lambda: desk.acted == 1)
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    desk.hold = None
    with pytest.raises(Refusal) as refused:
        await desk.post()
    assert (refused.value.status_code, desk.acted) == (409, 1)
    desk.at += Lifetimes().working_s
    assert await desk.post() == (200, "2")


async def test_what_was_done_is_told_though_it_cannot_be_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    desk = Desk()

    async def away(*_: Any) -> None:
        raise IdempotencyUnavailableError

    monkeypatch.setattr(desk.store, "answered", away)
    assert await desk.post() == (200, "1")
    with pytest.raises(Refusal) as refused:
        await desk.post()
    assert refused.value.status_code == 409, "nobody knows here what came of it: not at once a second time"
    desk.at += Lifetimes().working_s
    assert await desk.post() == (200, "2")
