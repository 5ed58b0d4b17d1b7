"""Which connection a live call goes on over, and which conversations are remembered for how long."""

import asyncio
import uuid
from typing import cast

import pytest
from msgspec import structs

from base.ids import CallId, TenantId
from control import returns
from control.returns import CallHereError, Conversation, Conversations, LiveCall, LiveCalls, Ticket, record_id
from transports.freeswitch.errors import CallEndedError
from transports.freeswitch.esl_call import DoorCall
from transports.freeswitch.words import Hello

CALL = CallId("d2317f64-4e50-42fb-9843-0f0a0848899e")
TICKET = Ticket(CALL, TenantId("0f0f0f0f-0000-4000-8000-000000000001"), "7000", "matriz")
OTHERS = [
    structs.replace(TICKET, call_id=CallId("d2317f64-4e50-42fb-9843-0f0a0848899f")),
    structs.replace(TICKET, tenant_id=TenantId("0f0f0f0f-0000-4000-8000-000000000002")),
    structs.replace(TICKET, number="7001"),
    structs.replace(TICKET, switch="filial"),
]
LIMIT_S = 5.0


class Line:
    """A connection as a live call uses it."""

    def __init__(self, cause: str = "") -> None:
        self.live = True
        self.joining = False
        self.joined = False
        self.hangup_cause = ""
        self._cause = cause
        self.left = asyncio.Event()
        self._closed = asyncio.Event()

    async def re_enter(self) -> None:
        self.hangup_cause = self._cause
        self.live = False
        self.left.set()
        self._closed.set()

    async def closed(self) -> None:
        await self._closed.wait()


def line(cause: str = "") -> DoorCall:
    return cast(DoorCall, Line(cause))


async def test_the_call_goes_on_over_the_connection_that_comes_while_it_is_awaited() -> None:
    first, second, third = line(), line(), line()
    live = LiveCall(TICKET, first)
    assert not live.takes(TICKET, second), "nobody waits"
    returning = asyncio.create_task(live.re_enter(LIMIT_S))
    await cast(Line, first).left.wait()
    asked = asyncio.create_task(live.present())
    assert not any(live.takes(other, third) for other in OTHERS)
    assert live.takes(TICKET, second)
    assert not live.takes(TICKET, third), "one is enough"
    assert await returning is second
    assert await asked is second
    assert live.line is second
    assert not live.takes(TICKET, third)


async def test_a_call_that_does_not_come_back_is_missed_in_time() -> None:
    live = LiveCall(TICKET, line())
    with pytest.raises(TimeoutError):
        await live.re_enter(0.0)
    assert not live.takes(TICKET, line())
    assert await live.present() is live.line


async def test_a_caller_who_hangs_up_on_the_way_is_not_waited_for() -> None:
    live = LiveCall(TICKET, line("NORMAL_CLEARING"))
    with pytest.raises(CallEndedError):
        await live.re_enter(3600.0)
    with pytest.raises(CallEndedError):
        await live.re_enter(3600.0)  # the first connection is over


async def test_a_connection_is_served_until_it_or_the_call_is_over() -> None:
    calls, second = LiveCalls(), line()
    with calls.enter(TICKET, line()) as live:
        assert calls.get(CALL) is live
        serving = asyncio.create_task(live.serve(second))
        await cast(Line, second).re_enter()
        await serving
        serving = asyncio.create_task(live.serve(line()))
        calls.leave(live)
        await serving
        assert calls.get(CALL) is None
        with calls.enter(TICKET, line()) as other:
            calls.leave(live)
            assert calls.get(CALL) is other, "the former one is not its business"
    assert calls.get(CALL) is None


async def test_a_caller_who_comes_back_at_once_waits_for_his_former_session_to_end() -> None:
    calls, first = LiveCalls(), line()
    assert not await calls.served(TICKET, line())
    with calls.enter(TICKET, first) as live:
        with pytest.raises(CallHereError):
            await calls.served(TICKET, line())
        cast(Line, first).joined = True
        coming = asyncio.create_task(calls.served(TICKET, line()))
        await asyncio.sleep(0)
        assert not coming.done()
        calls.leave(live)
        assert not await coming, "a new call"
        with calls.enter(TICKET, line()), pytest.raises(CallHereError):
            await calls.served(TICKET, line())


async def test_who_is_being_connected_with_a_person_is_here_still(monkeypatch: pytest.MonkeyPatch) -> None:
    calls, first = LiveCalls(), Line()
    with calls.enter(TICKET, cast(DoorCall, first)) as live:
        first.live, first.joining = False, True
        with monkeypatch.context() as patched:
            patched.setattr(returns, "LEAVES_WITHIN_S", 0.0)
            with pytest.raises(CallHereError):
                await calls.served(TICKET, line())
        assert calls.get(CALL) is live
        assert not live.over.is_set()
        coming = asyncio.create_task(calls.served(TICKET, line()))
        await asyncio.sleep(0)
        calls.leave(live)
        assert not await coming, "the person has hung up: a new call"


def spoken(text: str = "At nine") -> Conversation:
    return Conversation(CALL, ({"role": "assistant", "content": text},))


def test_a_conversation_goes_on_once_and_for_its_own_caller_only() -> None:
    kept = Conversations(lambda: 0.0)
    kept.keep(TICKET, spoken())
    assert [kept.take(other) for other in OTHERS] == [None] * 4
    assert kept.take(TICKET) == spoken()
    assert kept.take(TICKET) is None


def test_the_oldest_are_forgotten() -> None:
    kept = Conversations(lambda: 0.0, max_kept=3)
    for ticket in (*OTHERS, TICKET):
        kept.keep(ticket, spoken())
    assert len(kept) == 3
    assert [kept.take(ticket) is not None for ticket in (*OTHERS, TICKET)] == [False, False, True, True, True]


def test_so_are_those_whose_caller_does_not_come_back() -> None:
    now = 0.0
    kept = Conversations(lambda: now, life_s=10.0)
    kept.keep(OTHERS[0], spoken())
    now = 6.0
    kept.keep(TICKET, spoken())
    now = 10.0
    assert len(kept) == 1
    now = 16.0
    assert kept.take(TICKET) is None


def hello(destination: str) -> Hello:
    return Hello(
        call_id=CALL,
        caller_number="",
        caller_name="",
        destination=destination,
        context="x",
        answered=True,
        codec="PCMU",
        sample_rate=8000,
        variables={},
    )


def test_every_part_of_a_call_has_a_record_of_its_own() -> None:
    first = record_id(hello("7000"), None, again=False)
    second = record_id(hello("door_again"), Conversation(first, ()), again=True)
    third = record_id(hello("door_again"), Conversation(second, ()), again=True)
    forgotten = [record_id(hello("door_again"), None, again=False) for _ in range(2)]
    sent_back = record_id(hello("7000"), None, again=True)
    ids = [first, second, third, *forgotten, sent_back]
    assert first == CALL
    assert len({uuid.UUID(found) for found in ids}) == 6


def test_a_channel_that_was_here_before_is_known() -> None:
    calls = LiveCalls()
    for again in (False, True):
        with calls.enter(TICKET, line()) as live:
            assert live.again is again


async def test_a_caller_who_was_sent_on_to_a_number_of_ours_is_a_new_call_at_once() -> None:
    calls, first, second = LiveCalls(), line(), line()
    with calls.enter(TICKET, first) as live:
        with pytest.raises(CallHereError):
            await calls.served(TICKET, second)
        cast(Line, first).live = False  # blind transfer, or a door that leads here
        assert not await calls.served(TICKET, second)
        with calls.enter(TICKET, second) as again:
            assert again is not live
            assert calls.get(CALL) is again
        assert calls.get(CALL) is None


async def test_while_a_call_is_on_its_way_back_nobody_else_takes_its_place() -> None:
    calls, first = LiveCalls(), line()
    with calls.enter(TICKET, first) as live:
        returning = asyncio.create_task(live.re_enter(LIMIT_S))
        await cast(Line, first).left.wait()
        for other in OTHERS[1:]:
            with pytest.raises(CallHereError):
                await calls.served(other, line())
        assert live.takes(TICKET, line())
        await returning
