"""A POST that is sent again: by the middleware itself, in time that is set."""

import asyncio
from types import SimpleNamespace
from typing import Any, cast

import pytest
from litestar.types import ASGIApp, Scope

from base.clock import Clock
from control.api import idempotency
from control.api.idempotency import KEPT_S, MAX_LENGTH, Idempotency
from control.api.problems import Refusal
from tests.control.api.house import ACME, BRAVO
from tests.pipelines.virtual import eventually


class Desk:
    """The middleware before a handler that counts, with a clock that is set."""

    def __init__(self) -> None:
        self.at = 100.0
        self.acted = 0
        self.status = 200
        self.hold: asyncio.Event | None = None
        self._middleware = Idempotency(cast(Clock, SimpleNamespace(monotonic=lambda: self.at)))

    async def _act(self, _scope: Any, receive: Any, send: Any) -> None:
        await receive()
        self.acted += 1
        number = self.acted
        if self.hold is not None:
            await self.hold.wait()
        await send({"type": "http.response.start", "status": self.status, "headers": []})
        await send({"type": "http.response.body", "body": str(number).encode(), "more_body": False})

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
    ) -> tuple[int, str]:
        """Status and body of the answer."""
        headers = [] if key is None else [(b"idempotency-key", key.encode())]
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
        sent: list[Any] = []

        async def receive() -> Any:
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message: Any) -> None:
            sent.append(message)

        await self._middleware.handle(cast(Scope, scope), receive, cast(Any, send), cast(ASGIApp, self._act))
        return sent[0]["status"], sent[1]["body"].decode()


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


async def test_another_body_is_a_conflict() -> None:
    desk = Desk()
    await desk.post(body=b"a")
    with pytest.raises(Refusal) as refused:
        await desk.post(body=b"b")
    assert refused.value.status_code == 409
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
    desk.at += KEPT_S
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


async def test_of_many_the_oldest_of_that_tenant_is_forgotten_and_nobody_elses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(idempotency, "MAX_OF_ONE", 3)
    desk = Desk()
    await desk.post(tenant=BRAVO, who="bbbbbbbbbbbb")
    for number in range(5):
        await desk.post(str(number))
    before = desk.acted
    await desk.post("4")
    await desk.post(tenant=BRAVO, who="bbbbbbbbbbbb")
    assert desk.acted == before, "these are kept"
    await desk.post("0")
    assert desk.acted == before + 1


async def test_of_all_tenants_together_so_many_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(idempotency, "MAX_OF_ONE", 1)
    monkeypatch.setattr(idempotency, "MAX_KEPT", 2)
    desk = Desk()
    for number in range(4):
        await desk.post(tenant=f"tenant {number}")
    before = desk.acted
    await desk.post(tenant="tenant 3")
    assert desk.acted == before
    await desk.post(tenant="tenant 0")
    assert desk.acted == before + 1
