"""Connections to a switch over real sockets, against one that plays what was recorded or misbehaves."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

import pytest
from msgspec import structs

from base.ids import CallId
from base.secret import Secret
from tests.transports.freeswitch.captures import from_switch
from tests.transports.freeswitch.test_esl_switch import ACCEPTED, LOGIN, reply, response
from transports.freeswitch.errors import PhoneTimeoutError
from transports.freeswitch.esl_client import (
    SwitchAddress,
    SwitchClient,
    SwitchLimits,
    SwitchUnreachableError,
)
from transports.freeswitch.esl_link import FIRST_PAUSE_S, LONGEST_PAUSE_S, SwitchLink, subscribe
from transports.freeswitch.esl_switch_commands import (
    Auth,
    CallExists,
    Events,
    NoEvents,
    Originate,
    SwitchEvent,
    UserAuth,
    Version,
)
from transports.freeswitch.words import Device

CALL = CallId("375b5338-648a-4207-849e-bdbe7b8b8e18")
QUICK = SwitchLimits(connect_timeout_s=2.0, reply_timeout_s=2.0)
GOODBYE = b"Content-Type: text/disconnect-notice\nContent-Length: 4\n\nbye\n"


class Seat:
    """The switch's side of one connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    def say(self, *data: bytes) -> None:
        self._writer.write(b"".join(data))

    async def hears(self) -> str:
        """The next command. Raises IncompleteReadError at the end."""
        return (await self._reader.readuntil(b"\n\n")).decode().strip()

    async def lets_in(self, login: str = "auth secret", accepted: bytes = ACCEPTED) -> None:
        self.say(LOGIN)
        assert await self.hears() == login
        self.say(accepted)

    def hang_up(self) -> None:
        self._writer.close()


Behaviour = Callable[[Seat], Awaitable[None]]


@asynccontextmanager
async def switch(behave: Behaviour) -> AsyncIterator[SwitchAddress]:
    failures: list[BaseException] = []

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            with suppress(asyncio.IncompleteReadError, ConnectionError):
                await behave(Seat(reader, writer))
        except Exception as error:
            failures.append(error)
        finally:
            writer.close()

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    try:
        yield SwitchAddress(host="127.0.0.1", port=port, login=Auth(Secret("secret")))
    finally:
        server.close()
    assert failures == []


async def polite(seat: Seat) -> None:
    """Answers everything, and `exit` with a good-bye."""
    await seat.lets_in()
    while True:
        command = await seat.hears()
        if command == "exit":
            seat.say(reply("+OK bye"), GOODBYE)
            seat.hang_up()
            return
        seat.say(response(command.removeprefix("api ")) if command.startswith("api") else reply("+OK"))


async def test_it_logs_in_asks_and_leaves() -> None:
    async with switch(polite) as address:
        client = await SwitchClient.connect(address, QUICK)
        assert (await client.ask(Version())).text == "version"
        await client.close()
        await client.close()
        assert client.closed.is_set()
        with pytest.raises(SwitchUnreachableError):
            await client.ask(Version())


async def test_tasks_that_race_get_each_their_own_answer_also_when_some_give_up() -> None:
    async with switch(polite) as address:
        client = await SwitchClient.connect(address, QUICK)
        asked = [CallId(f"call-{n}") for n in range(60)]
        tasks = [asyncio.create_task(client.ask(CallExists(call))) for call in asked]
        await asyncio.sleep(0)
        for task in tasks[::3]:
            task.cancel()
        answers = await asyncio.gather(*tasks, return_exceptions=True)
        for n, (call, answer) in enumerate(zip(asked, answers, strict=True)):
            if n % 3 == 0:
                assert isinstance(answer, asyncio.CancelledError)
            else:
                assert not isinstance(answer, BaseException)
                assert answer.text == f"uuid_exists {call}"
        await client.close()


async def test_a_wrong_password_is_told_and_never_shown() -> None:
    async def refuse(seat: Seat) -> None:
        seat.say(from_switch("esl_inbound_auth_wrong_only"))
        await seat.hears()
        await seat.hears()

    async with switch(refuse) as address:
        with pytest.raises(SwitchUnreachableError, match="refused the login") as told:
            await SwitchClient.connect(address, QUICK)
        assert told.value.refused
        assert "secret" not in str(told.value)


USER = "ana@sorriso.example.net"
USER_ACCEPTED = (
    b"Content-Type: command/reply\nReply-Text: +OK accepted\n"
    b"Allowed-Events: DTMF\nAllowed-API: version\nAllowed-LOG: false\n\n"
)
"""mod_event_socket.c, `userauth`; not recorded."""
DENIED = reply("-ERR permission denied")
"""To an `api` also, which has an `api/response` otherwise."""


async def directory(seat: Seat) -> None:
    """Lets in that one user, who may run `version` and have DTMF."""
    seat.say(LOGIN)
    if await seat.hears() != f"userauth {USER}:pa ss":
        seat.say(reply("-ERR invalid"), GOODBYE)
        seat.hang_up()
        return
    seat.say(USER_ACCEPTED)
    while True:
        command = await seat.hears()
        if command == "exit":
            seat.say(reply("+OK bye"), GOODBYE)
        elif command in ("api version", "event plain DTMF"):
            seat.say(response("FreeSWITCH Version 1.11.2") if command.startswith("api") else reply("+OK"))
        else:
            seat.say(DENIED)


async def test_a_user_of_the_directory_logs_in_and_is_told_what_it_may_not() -> None:
    async with switch(directory) as address:
        client = await SwitchClient.connect(structs.replace(address, login=UserAuth(USER, Secret("pa ss"))), QUICK)
        assert (await client.ask(Version())).text == "FreeSWITCH Version 1.11.2"
        denied = await client.ask(CallExists(CALL))
        assert (denied.ok, denied.text) == (False, "-ERR permission denied")
        assert (await client.ask(Events("plain", (SwitchEvent.DTMF,)))).ok
        assert not (await client.ask(Events("plain", (SwitchEvent.HEARTBEAT,)))).ok
        assert (await client.ask(Version())).ok, "each answer found its own command"
        await client.close()


@pytest.mark.parametrize(
    "login",
    [UserAuth(USER, Secret("pass")), UserAuth("bob@sorriso.example.net", Secret("pa ss")), Auth(Secret("pa ss"))],
)
async def test_a_user_who_is_not_let_in_is_told_and_no_password_is_shown(login: Auth | UserAuth) -> None:
    async with switch(directory) as address:
        with pytest.raises(SwitchUnreachableError, match="refused the login") as told:
            await SwitchClient.connect(structs.replace(address, login=login), QUICK)
        assert told.value.refused
        assert login.password.reveal() not in str(told.value)


async def test_nobody_there_and_nobody_who_answers() -> None:
    gone = SwitchAddress(host="127.0.0.1", port=1, login=Auth(Secret("secret")))
    with pytest.raises(SwitchUnreachableError, match="cannot be reached") as told:
        await SwitchClient.connect(gone, QUICK)
    assert not told.value.refused

    async def silent(seat: Seat) -> None:
        await seat.hears()

    async with switch(silent) as address:
        with pytest.raises(SwitchUnreachableError, match=r"no login within 0\.05 s"):
            await SwitchClient.connect(address, SwitchLimits(connect_timeout_s=0.05))


async def test_an_answer_that_does_not_come_ends_the_connection_for_all_who_wait() -> None:
    async def deaf(seat: Seat) -> None:
        await seat.lets_in()
        await asyncio.Event().wait()

    async with switch(deaf) as address:
        client = await SwitchClient.connect(address, SwitchLimits(reply_timeout_s=0.05))
        first = asyncio.create_task(client.ask(Version()))
        with pytest.raises(PhoneTimeoutError, match="Version"):
            await first
        with pytest.raises(SwitchUnreachableError):
            await client.ask(NoEvents())
        assert client.closed.is_set()


async def test_nonsense_ends_the_connection() -> None:
    async def babbles(seat: Seat) -> None:
        await seat.lets_in()
        await seat.hears()
        seat.say(b"Content-Type: who/knows\n\n")
        await seat.hears()

    async with switch(babbles) as address:
        client = await SwitchClient.connect(address, QUICK)
        with pytest.raises(SwitchUnreachableError, match="broke the protocol"):
            await client.ask(Version())


async def test_events_come_in_order_and_end_with_the_connection() -> None:
    async def plays(seat: Seat) -> None:
        await seat.lets_in()
        assert (await seat.hears()).startswith("event plain DTMF CUSTOM mod_audio_stream::play")
        seat.say(reply("+OK"))
        seat.say(*(digit(n) for n in range(5)))
        seat.hang_up()

    async with switch(plays) as address:
        client = await SwitchClient.connect(address, SwitchLimits(max_events=3))
        await subscribe(client, SwitchEvent.DTMF, SwitchEvent.STREAM_PLAY)
        await client.closed.wait()
        assert [event.headers["DTMF-Digit"] async for event in client.events()] == ["2", "3", "4"], "the newest"
        assert client.dropped_events == 2
        assert [event async for event in client.events()] == []


def digit(n: int) -> bytes:
    inner = f"Event-Name: DTMF\nDTMF-Digit: {n}\n\n"
    return f"Content-Length: {len(inner)}\nContent-Type: text/event-plain\n\n{inner}".encode()


def job(job_id: str, body: str) -> bytes:
    inner = f"Event-Name: BACKGROUND_JOB\nJob-UUID: {job_id}\nContent-Length: {len(body)}\n\n{body}"
    return f"Content-Length: {len(inner)}\nContent-Type: text/event-plain\n\n{inner}".encode()


@pytest.mark.parametrize(("result", "ok"), [("+OK 375b", True), ("-ERR NO_ANSWER", False)])
async def test_a_call_that_is_made_tells_how_it_went(result: str, ok: bool) -> None:
    async def rings(seat: Seat) -> None:
        await seat.lets_in()
        assert (await seat.hears()).startswith("bgapi originate {")
        seat.say(job("another", "+OK"), reply("+OK Job-UUID: j"), job("j", result))
        await seat.hears()

    async with switch(rings) as address:
        client = await SwitchClient.connect(address, QUICK)
        done = await client.originate(Originate(job_id="j", call_id=CALL, destination=Device("1001", "d")), 5.0)
        assert (done.ok, done.text) == (ok, result)
        client._drop("over")


async def test_a_call_that_is_refused_at_once_and_one_that_rings_for_ever() -> None:
    async def refuses(seat: Seat) -> None:
        await seat.lets_in()
        await seat.hears()
        seat.say(reply("-ERR no such command"))
        await seat.hears()
        seat.say(reply("+OK Job-UUID: j"))
        await seat.hears()

    async with switch(refuses) as address:
        client = await SwitchClient.connect(address, QUICK)
        wish = Originate(job_id="j", call_id=CALL, destination=Device("1001", "d"))
        assert not (await client.originate(wish, 5.0)).ok
        with pytest.raises(PhoneTimeoutError, match="no result"):
            await client.originate(wish, 0.05)
        assert not client.closed.is_set(), "a long ring is no fault of the connection"
        client._drop("over")


async def test_a_link_comes_back_and_subscribes_anew() -> None:
    visits = 0
    back = asyncio.Event()
    pauses: list[float] = []

    async def leaves_at_first(seat: Seat) -> None:
        nonlocal visits
        visits += 1
        await seat.lets_in()
        assert (await seat.hears()).startswith("event plain DTMF")
        seat.say(reply("+OK"))
        if visits < 3:
            seat.hang_up()
        else:
            back.set()
            await seat.hears()
            seat.say(reply("+OK bye"), GOODBYE)

    async def pause(seconds: float) -> None:
        pauses.append(seconds)

    async with switch(leaves_at_first) as address:
        link = SwitchLink(
            "pbx", address, limits=QUICK, on_connected=lambda c: subscribe(c, SwitchEvent.DTMF), pause=pause
        )
        with pytest.raises(SwitchUnreachableError, match="pbx: not connected yet"):
            _ = link.client
        running = asyncio.create_task(link.run())
        await back.wait()
        async with asyncio.timeout(2):
            while not link.connected:  # noqa: ASYNC110  (it is told to nobody; `back` was set a moment before)
                await asyncio.sleep(0)
        assert link.client is not None
        assert link.last_error == ""
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running
        assert not link.connected
    assert visits == 3
    assert len(pauses) == 2
    assert all(seconds <= FIRST_PAUSE_S for seconds in pauses), "a connection that worked is tried again soon"


async def test_a_link_waits_longer_each_time_and_longest_where_it_is_refused() -> None:
    async def pauses_of(address: SwitchAddress, tries: int) -> list[float]:
        pauses: list[float] = []

        async def pause(seconds: float) -> None:
            pauses.append(seconds)
            if len(pauses) == tries:
                raise asyncio.CancelledError

        link = SwitchLink("pbx", address, limits=QUICK, pause=pause)
        with pytest.raises(asyncio.CancelledError):
            await link.run()
        assert link.last_error
        return pauses

    gone = SwitchAddress(host="127.0.0.1", port=1, login=Auth(Secret("secret")))
    seen = await pauses_of(gone, 9)
    for n, seconds in enumerate(seen):
        longest = min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2**n)
        assert 0.75 * longest <= seconds <= longest

    async def refuse(seat: Seat) -> None:
        seat.say(from_switch("esl_inbound_auth_wrong_only"))
        await seat.hears()

    async with switch(refuse) as address:
        [first] = await pauses_of(address, 1)
        assert first >= 0.75 * LONGEST_PAUSE_S
