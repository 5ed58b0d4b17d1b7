"""What a call is told to send out as texts: in order, wherever its connection is, and before the leg is given up."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from typing import Any, cast

import pytest

from control.line import MAX_TEXTS, CompanyLine
from control.returns import LiveCall
from transports.freeswitch.errors import CallEndedError, LocalProtocolError, MediaUnavailableError


class Connection:
    """One of a call's; remembers what was asked of it. `fails` has what a text raises."""

    def __init__(self, fails: dict[str, Exception] | None = None) -> None:
        self.asked: list[str] = []
        self._fails = fails or {}

    async def send_text(self, text: str) -> None:
        if (error := self._fails.get(text)) is not None:
            raise error
        self.asked.append(text)

    async def hang_up(self) -> None:
        self.asked.append("hang up")

    async def give_back(self, door: str) -> None:
        self.asked.append(door)

    async def transfer(self, route: Any) -> None:
        self.asked.append(f"transfer {route.number}")


class Live:
    """A call whose connection may be on its way back."""

    def __init__(self, line: Connection) -> None:
        self.line = line
        self.here = asyncio.Event()
        self.here.set()

    async def present(self) -> Connection:
        await self.here.wait()
        return self.line


@asynccontextmanager
async def company(live: Live) -> AsyncIterator[CompanyLine]:
    nothing = cast(Any, None)
    async with aclosing(CompanyLine(cast(LiveCall, live), nothing, nothing, "acme.example.net")) as line:
        yield line


async def settled() -> None:
    """Everything that can go on now has."""
    for _ in range(5):
        await asyncio.sleep(0)


async def test_texts_leave_in_their_order_without_being_waited_for() -> None:
    live = Live(Connection())
    async with company(live) as line:
        for text in ("one", "two", "three"):
            line.tell(text)
        assert live.line.asked == []
        await settled()
        assert live.line.asked == ["one", "two", "three"]
        line.tell("four")
        await settled()
    assert live.line.asked == ["one", "two", "three", "four"]


async def test_what_is_told_while_the_call_is_on_its_way_back_leaves_by_the_connection_that_comes() -> None:
    former, fresh = Connection(), Connection()
    live = Live(former)
    live.here.clear()
    async with company(live) as line:
        line.tell("one")
        await settled()
        line.tell("two")
        live.line = fresh
        live.here.set()
        await settled()
    assert (former.asked, fresh.asked) == ([], ["one", "two"])


@pytest.mark.parametrize("verb", ["hang_up", "give_back", "transfer"])
async def test_the_leg_is_given_up_behind_what_was_told(verb: str) -> None:
    live = Live(Connection())
    async with company(live) as line:
        line.tell("good bye")
        await getattr(line, verb)(*(() if verb == "hang_up" else ("200",)))
    given_up = {"hang_up": "hang up", "give_back": "200", "transfer": "transfer 200"}[verb]
    assert live.line.asked == ["good bye", given_up]


@pytest.mark.parametrize("error", [CallEndedError("x"), LocalProtocolError("x"), MediaUnavailableError("x")])
async def test_a_text_that_cannot_be_sent_holds_up_nothing(error: Exception) -> None:
    live = Live(Connection({"lost": error}))
    async with company(live) as line:
        line.tell("lost")
        line.tell("kept")
        await line.hang_up()
    assert live.line.asked == ["kept", "hang up"]


async def test_no_more_wait_than_there_is_room_for_and_nothing_is_told_behind_the_end() -> None:
    live = Live(Connection())
    live.here.clear()
    async with company(live) as line:
        for number in range(MAX_TEXTS + 5):
            line.tell(str(number))
        live.here.set()
        await settled()
        assert live.line.asked == [str(number) for number in range(MAX_TEXTS)]
        live.here.clear()
        line.tell("late")
        await settled()
    live.here.set()
    await settled()
    assert "late" not in live.line.asked
