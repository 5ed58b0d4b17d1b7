"""Live calls that another process has: asked for over HTTP, by its lease, and by nobody else."""

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast

import httpx
import pytest
from litestar import Litestar
from msgspec import structs

from base.clock import SystemClock
from base.ids import AssistantName, CallId, TenantId
from base.secret import Secret
from control.api.problems import problem_plugin
from control.live_board import LiveBoard
from control.live_sessions import TooMuchToSayError
from control.workers import everywhere
from control.workers.everywhere import Everywhere, Neighbours, ProcessSilentError
from control.workers.internal import internal_router
from control.workers.node_key import NodeDoor, node_key
from control.workers.presence import Presence
from pipelines.calls import Call, Opened
from tenants.call_search import Cursor
from tenants.leases import MemoryLeases, ProcessRow
from tests.tenants.test_leases import call

ACME, BETA = (TenantId(f"0f0f0f0f-0000-4000-8000-00000000000{letter}") for letter in "ab")
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
PEPPER = Secret("p" * 40)


def row(name: str) -> ProcessRow:
    return ProcessRow(
        id=name, node="n", role="media", slot=0, pid=1, url=f"http://{name}", version="1", state="ok",
        started_at=NOON, renewed_at=NOON,
    )  # fmt: skip


class Other:
    """A process with one call of ACME's, answering as the real one does."""

    def __init__(self, call_id: str, me: str) -> None:
        self.board, self.node_door = LiveBoard(SystemClock()), NodeDoor(node_key(PEPPER), me)
        self.asked: list[tuple[str, ...]] = []
        self.raises: Exception | None = None
        self.phone = cast(Any, SimpleNamespace(say=self._did("say"), transfer=self._did("transfer"),
                                               hang_up=self._did("hang up")))  # fmt: skip
        self.takes(call_id)
        self.app = Litestar([internal_router(lambda: self)], plugins=[problem_plugin()])

    def takes(self, call_id: str, minute: int = 0) -> None:
        call = Call(
            id=CallId(call_id), tenant_id=ACME, tenant_slug="acme", assistant=AssistantName("ana"), number="100",
            caller="", revision=1, language="en", opened_at=NOON + timedelta(minutes=minute),
        )  # fmt: skip
        self.board.feed(Opened(call=call))

    def _did(self, verb: str) -> Callable[..., bool]:
        def did(tenant_id: TenantId, call_id: CallId, *told: str) -> bool:
            if self.board.call(tenant_id, call_id) is None:
                return False
            self.asked.append((verb, tenant_id, call_id, *told))
            if self.raises is not None:
                raise self.raises
            return True

        return did


class Net(httpx.AsyncBaseTransport):
    """Which process is where. None: nobody listens; a float: one that answers so much later."""

    def __init__(self, **hosts: Other | float | None) -> None:
        self.hosts = {
            name: httpx.ASGITransport(one.app) if isinstance(one, Other) else one for name, one in hosts.items()
        }
        self.asked: list[str] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request.url.host)
        there = self.hosts[request.url.host]
        if there is None:
            raise httpx.ConnectError("nobody listens")
        if isinstance(there, float):
            await asyncio.sleep(there)
            return httpx.Response(200)
        return await there.handle_async_request(request)


@pytest.fixture
async def one(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Callable[..., tuple[Everywhere, Net]]]:
    """Makes a process without calls of its own among others; `b` has the call `theirs` by its lease."""
    monkeypatch.setattr(everywhere, "ASK_TIMEOUT_S", 0.2)
    opened: list[Neighbours] = []

    def make(key: Secret = PEPPER, **hosts: Other | float | None) -> tuple[Everywhere, Net]:
        store = MemoryLeases(SystemClock())
        store._calls[ACME, CallId("theirs")] = "b", call(ACME, "theirs")
        presence = Presence(store, row("me"))
        control = structs.replace(row("control"), role="control")
        presence.everybody = (row("me"), control, *map(row, hosts))
        neighbours = Neighbours(presence, node_key(key))
        net = Net(**hosts)
        neighbours._client = httpx.AsyncClient(transport=net)
        opened.append(neighbours)
        return Everywhere(LiveBoard(SystemClock()), cast(Any, None), neighbours), net

    yield make
    for neighbours in opened:
        await neighbours.close()


async def test_the_process_that_has_the_call_is_asked_and_no_other(one: Any) -> None:
    other = Other("theirs", "b")
    here, net = one(b=other, c=Other("another", "c"))
    found = await here.call(ACME, CallId("theirs"))
    assert found is not None
    assert (found.call.id, found.call.tenant_id) == ("theirs", ACME)
    assert await here.say(ACME, CallId("theirs"), "Olá, já vou")
    assert await here.transfer(ACME, CallId("theirs"), "200")
    assert await here.hang_up(ACME, CallId("theirs"))
    assert other.asked == [
        ("say", ACME, "theirs", "Olá, já vou"), ("transfer", ACME, "theirs", "200"), ("hang up", ACME, "theirs"),
    ]  # fmt: skip
    assert net.asked == ["b"] * 4
    assert await here.call(BETA, CallId("theirs")) is None, "another tenant's"


async def test_a_call_whose_lease_is_not_known_yet_is_found_wherever_it_is(one: Any) -> None:
    here, net = one(b=Other("theirs", "b"), c=Other("fresh", "c"))
    found = await here.call(None, CallId("fresh"))
    assert found is not None
    assert sorted(net.asked) == ["b", "c"]
    assert await here.call(ACME, CallId("nowhere")) is None
    assert not await here.hang_up(ACME, CallId("nowhere"))


async def test_what_its_process_refuses_is_refused_in_its_words(one: Any) -> None:
    other = Other("theirs", "b")
    here, _ = one(b=other)
    for raised in (TooMuchToSayError("it says enough"), ValueError("no words")):
        other.raises = raised
        with pytest.raises(type(raised), match=str(raised)):
            await here.say(ACME, CallId("theirs"), "x")


async def test_one_that_cannot_be_reached_or_hangs_is_told_by_name(one: Any) -> None:
    for silent, late, told in ((None, False, "ATENDE_INTERNAL_HOST"), (5.0, True, "did not answer within")):
        here, _ = one(b=silent)
        with pytest.raises(ProcessSilentError, match=told) as caught:
            await here.call(ACME, CallId("theirs"))
        assert caught.value.late is late
        assert "media-0 of node n" in str(caught.value)


async def test_a_list_has_what_can_be_had_and_counts_who_is_silent(one: Any) -> None:
    here, _ = one(b=Other("theirs", "b"), c=None, d=Other("fresh", "d"))
    calls, silent = await here.calls(ACME)
    assert ({view.call.id for view in calls}, silent) == ({"theirs", "fresh"}, 1)
    assert await here.calls(BETA) == ((), 1)


async def test_a_list_goes_on_behind_a_call_over_all_processes(one: Any) -> None:
    b, c = Other("b0", "b"), Other("c0", "c")
    for number in range(1, 6):
        (b if number % 2 else c).takes(f"n{number}", number // 2)
    here, _ = one(b=b, c=c)
    whole = [view.call.id for view in (await here.calls(ACME))[0]]
    assert whole == ["n5", "n4", "n3", "n2", "n1", "c0", "b0"]
    seen: list[Any] = []
    while page := (await here.calls(ACME, 2, Cursor(seen[-1].opened_at, seen[-1].id) if seen else None))[0]:
        assert len(page) <= 2
        seen += [view.call for view in page]
    assert [call.id for call in seen] == whole
    asked: list[int] = []
    for other in (b, c):
        calls = other.board.calls
        other.board.calls = lambda *how, calls=calls: [asked.append(how[1]), calls(*how)][1]  # type: ignore[method-assign,misc]
    await here.calls(ACME, 2)
    assert asked == [2, 2], "no process sends more than is wanted"


async def test_who_has_another_key_is_told_nothing(one: Any) -> None:
    other = Other("theirs", "b")
    here, _ = one(Secret("q" * 40), b=other)
    assert await here.call(ACME, CallId("theirs")) is None
    assert not await here.hang_up(ACME, CallId("theirs"))
    assert (await here.calls(ACME), other.asked) == (((), 1), [])


async def test_one_at_whose_address_another_answers_is_told_by_name_and_nothing_is_done(one: Any) -> None:
    """As where two machines say that they are at 127.0.0.1."""
    somebody = Other("theirs", "somebody")
    here, _ = one(b=somebody)
    with pytest.raises(ProcessSilentError, match="is not the one that answers at http://b") as caught:
        await here.hang_up(ACME, CallId("theirs"))
    assert "ATENDE_INTERNAL_HOST" in str(caught.value)
    assert (await here.calls(ACME), somebody.asked) == (((), 1), [])
