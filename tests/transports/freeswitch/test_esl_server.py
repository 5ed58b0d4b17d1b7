"""The phone door over real loopback TCP and UDP, the other end replaying what a real FreeSWITCH did."""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from ipaddress import ip_network

import pytest

from tests.transports.freeswitch.captures import Step, kind_of, script
from tests.transports.freeswitch.test_esl_door import ANSWERED, API_OK, NOTICE, OK, event, hello
from transports.freeswitch.call_unicast import UnicastOptions
from transports.freeswitch.errors import (
    CallEndedError,
    LegFailedError,
    LocalProtocolError,
    MediaUnavailableError,
    PhoneTimeoutError,
)
from transports.freeswitch.esl_call import DoorCall
from transports.freeswitch.esl_server import DoorServer
from transports.freeswitch.media_server import MediaServer
from transports.freeswitch.peers import PeerSwitch
from transports.freeswitch.silent import MAX_SILENT
from transports.freeswitch.unicast_ports import UnicastPorts
from transports.freeswitch.words import (
    Answered,
    Device,
    Disconnected,
    DoorName,
    Dtmf,
    HangupCause,
    HungUp,
    MediaEnded,
    PhoneEvent,
)

LIMIT_S = 5.0
FRAME = b"\x01\x00" * 160
OnCall = Callable[[DoorCall], Awaitable[None]]


class Switch:
    """One outbound connection of a FreeSWITCH that does what was recorded."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer
        self.media: socket.socket | None = None
        self.asked: list[bytes] = []
        self.speaking = asyncio.Event()
        """Set by a test when its call has media: only then does the recorded time go on."""

    async def hear(self, kind: str | None = None) -> bytes:
        """The next command of the service."""
        async with asyncio.timeout(LIMIT_S):
            command = await self.reader.readuntil(b"\n\n")
        self.asked.append(command)
        assert kind is None or kind_of(command) == kind, command
        return command

    async def say(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def play(self, steps: list[Step]) -> None:
        """Wait for what the service says, do what the switch did."""
        accepted = False
        for kind, data, eof in steps:
            if eof:
                continue
            if kind is None:
                await self.say(data)
                if self.media is not None and not accepted:
                    accepted = True
                    async with asyncio.timeout(LIMIT_S):
                        await self.speaking.wait()
            else:
                command = await self.hear(kind)
                if kind == "unicast":
                    self.speak(command)

    def speak(self, unicast: bytes, frame: bytes = FRAME) -> None:
        """Bind the announced port and send a first datagram."""
        fields = dict(line.split(": ", 1) for line in unicast.decode().split("\n") if ": " in line)
        self.media = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.media.settimeout(LIMIT_S)
        self.media.bind((fields["local-ip"], int(fields["local-port"])))
        self.media.sendto(frame, (fields["remote-ip"], int(fields["remote-port"])))

    async def greet(self, *lines: str) -> None:
        for kind, reply in (("connect", hello(*lines)), ("myevents", OK), ("event", OK)):
            await self.hear(kind)
            await self.say(reply)

    async def gone(self) -> bytes:
        """Whatever the service still says until it closes."""
        async with asyncio.timeout(LIMIT_S):
            try:
                return await self.reader.read()
            except ConnectionResetError:
                return b""

    async def close(self) -> None:
        self.writer.close()
        if self.media is not None:
            self.media.close()


@asynccontextmanager
async def ring(server: DoorServer, host: str = "127.0.0.1") -> AsyncIterator[Switch]:
    switch = Switch(*await asyncio.open_connection(*server.address, local_addr=(host, 0)))
    try:
        yield switch
    finally:
        await switch.close()


def door(on_call: OnCall, **options: object) -> DoorServer:
    given = {"close_timeout_s": LIMIT_S, **options}
    return DoorServer("127.0.0.1", 0, on_call, **given)  # type: ignore[arg-type]


async def first_words(reader: asyncio.StreamReader) -> bytes:
    """What the service says first; nothing when it closes."""
    try:
        return await reader.readuntil(b"\n\n")
    except (asyncio.IncompleteReadError, ConnectionResetError):
        return b""


class Script:
    """An `on_call` that notes what it was given and what became of it."""

    def __init__(self, act: OnCall) -> None:
        self.act = act
        self.calls: list[DoorCall] = []
        self.events: list[PhoneEvent] = []
        self.errors: list[BaseException] = []
        self.done = asyncio.Event()

    async def __call__(self, call: DoorCall) -> None:
        self.calls.append(call)
        try:
            await self.act(call)
            self.events += [e async for e in call.events()]
        except BaseException as error:
            self.errors.append(error)
            raise
        finally:
            self.done.set()

    async def begun(self) -> None:
        async with asyncio.timeout(LIMIT_S):
            while not self.calls:  # noqa: ASYNC110 - the condition is in the code under test
                await asyncio.sleep(0.001)

    async def finished(self) -> None:
        async with asyncio.timeout(LIMIT_S):
            await self.done.wait()


async def settled(server: DoorServer) -> None:
    async with asyncio.timeout(LIMIT_S):
        while server.live_calls:  # noqa: ASYNC110 - the condition is in the code under test
            await asyncio.sleep(0.001)


async def test_a_switch_that_is_slow_to_connect_two_legs_is_waited_for() -> None:
    """Longer than for a call's end: else the caller would be with a person, and the service would not know."""

    async def act(call: DoorCall) -> None:
        await call.reach(Device("200", "clinica.example.net"), ring_s=5)
        await call.join()
        assert call.joined

    service = Script(act)
    async with door(service, close_timeout_s=0.05) as server, ring(server) as switch:
        await switch.greet("Answer-State: answered", "Channel-Read-Codec-Rate: 8000")
        await switch.hear()  # linger
        leg = (await switch.hear()).split(b"origination_uuid=")[1][:36]
        job = b"Event-Name: BACKGROUND_JOB\nJob-UUID: %b\nContent-Length: 41\n\n+OK %b\n" % (leg, leg)
        await switch.say(OK + OK + b"Content-Length: %d\nContent-Type: text/event-plain\n\n%b" % (len(job), job))
        await switch.hear()  # the variables
        await switch.say(API_OK)
        bridge = await switch.hear()
        assert b"uuid_bridge" in bridge
        await asyncio.wait({asyncio.create_task(service.finished())}, timeout=0.5)
        assert not service.done.is_set()
        await switch.say(b"Content-Type: api/response\nContent-Length: 41\n\n+OK %b\n" % leg)
        await switch.hear("exit")
        await switch.say(OK + NOTICE)
        await service.finished()
    assert service.errors == []


@pytest.mark.parametrize("told", [True, False])
async def test_who_re_enters_the_door_leaves_no_telephone_ringing(told: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """The telephone is to be free for the call that comes next; a switch that does not say so is not waited for."""
    if not told:
        monkeypatch.setattr("transports.freeswitch.call_legs._GIVEN_UP_S", 0.05)

    async def act(call: DoorCall) -> None:
        reaching = asyncio.create_task(call.reach(Device("200", "clinica.example.net"), ring_s=5))
        await asked.wait()
        await call.re_enter()
        with pytest.raises(LegFailedError, match="ORIGINATOR_CANCEL"):
            await reaching

    service, asked = Script(act), asyncio.Event()
    async with door(service) as server, ring(server) as switch:
        await switch.greet("Answer-State: answered", "Channel-Read-Codec-Rate: 8000")
        await switch.hear()  # linger
        leg = (await switch.hear()).split(b"origination_uuid=")[1][:36]
        await switch.say(OK + OK)
        asked.set()
        assert await switch.hear() == b"api uuid_kill %b ORIGINATOR_CANCEL\n\n" % leg
        leaves = asyncio.create_task(switch.hear("setvar_door"))
        if told:
            await switch.say(API_OK)
            await asyncio.wait({leaves}, timeout=0.1)
            assert not leaves.done()
            job = b"Event-Name: BACKGROUND_JOB\nJob-UUID: %b\nContent-Length: 23\n\n-ERR ORIGINATOR_CANCEL\n" % leg
            await switch.say(b"Content-Length: %d\nContent-Type: text/event-plain\n\n%b" % (len(job), job))
        assert (await leaves).endswith(b" door again\n\n")
        await switch.say(API_OK if told else API_OK + API_OK)
        await switch.hear("exit")
        await switch.say(OK + NOTICE)
        await service.finished()
    assert service.errors == []


class TestReplayed:
    async def test_answered_spoken_with_and_given_back_to_voicemail(self) -> None:
        sent: list[bytes] = []

        async def act(call: DoorCall) -> None:
            assert await call.answer() == Answered(8000)
            media = await call.start_unicast()
            switch.speaking.set()
            media.send(FRAME)
            assert switch.media is not None
            sent.append(await asyncio.to_thread(switch.media.recv, 4096))
            await call.give_back("voicemail")
            assert media.closed

        service = Script(act)
        async with door(service) as server, ring(server) as switch:
            await switch.play(script("door_unicast_give_back_voicemail.esl"))
            await service.finished()
            await settled(server)
        assert service.errors == []
        assert sent == [FRAME]
        assert service.events == [Answered(8000), Disconnected("FreeSWITCH let go of the call")]

    async def test_refused_politely(self) -> None:
        service = Script(lambda call: call.refuse(DoorName.BUSY))
        async with door(service) as server, ring(server) as switch:
            await switch.play(script("door_refuse_politely.esl"))
            await service.finished()
        assert service.events == [Disconnected("FreeSWITCH let go of the call")]

    @pytest.mark.parametrize(
        ("name", "cause"),
        [
            ("door_hangup_with_cause.esl", HangupCause.CALL_REJECTED),
            ("esl_outbound_unanswered_reject_busy.esl", HangupCause.USER_BUSY),
        ],
    )
    async def test_hung_up_with_a_cause(self, name: str, cause: HangupCause) -> None:
        service = Script(lambda call: call.hang_up(cause))
        async with door(service) as server, ring(server) as switch:
            await switch.play(script(name))
            await service.finished()
        assert service.events == [HungUp(cause.value, False), Disconnected("FreeSWITCH let go of the call")]

    async def test_a_bridge_and_back_through_the_door(self) -> None:
        before_leaving: list[PhoneEvent] = []

        async def act(call: DoorCall) -> None:
            await call.answer()
            media = await call.start_unicast()
            switch.speaking.set()
            if call.hello.answered:
                return  # the second time, until the caller goes
            events = call.events()
            while MediaEnded("bridge", for_good=True) not in before_leaving:
                before_leaving.append(await anext(events))
            with pytest.raises(LocalProtocolError, match="re-enter"):
                await call.start_unicast()
            await call.re_enter()
            assert media.closed

        service = Script(act)
        async with door(service) as server:
            async with ring(server) as switch:
                await switch.play(script("door_bridge_and_back.esl1"))
                await service.finished()
            service.done.clear()
            async with ring(server) as switch:
                await switch.play(script("door_bridge_and_back.esl2"))
                await service.finished()
        assert service.errors == []
        assert before_leaving == [Answered(8000), MediaEnded("bridge", for_good=True)]
        gone = Disconnected("FreeSWITCH let go of the call")
        assert service.events == [gone, HungUp("NORMAL_CLEARING", True), gone]
        one, two = service.calls
        assert one.hello.call_id == two.hello.call_id
        assert not one.hello.answered
        assert two.hello.answered

    async def test_the_caller_hangs_up_while_we_speak(self) -> None:
        async def act(call: DoorCall) -> None:
            await call.answer()  # the dialplan has: nothing is said
            await call.closed()
            with pytest.raises(CallEndedError):
                await call.answer()
            with pytest.raises(CallEndedError):
                await call.start_unicast()
            await call.hang_up()
            await call.give_back("failed")

        service = Script(act)
        async with door(service) as server, ring(server) as switch:
            await switch.play(script("esl_outbound_answered_caller_hangup.esl", without="answer"))
            await service.finished()
            await settled(server)
            assert await switch.gone() == b""
        assert service.errors == []
        digits = "".join(e.digit for e in service.events if isinstance(e, Dtmf))
        assert digits == "123*#123*#"
        assert service.events[-2:] == [
            HungUp("NORMAL_CLEARING", True),
            Disconnected("FreeSWITCH let go of the call"),
        ]

    async def test_the_service_dies_and_the_socket_with_it(self) -> None:
        dead = asyncio.Event()

        async def act(call: DoorCall) -> None:
            await call.answer()
            await call.start_unicast()
            switch.speaking.set()
            dead.set()
            await call.closed()

        service = Script(act)
        async with door(service) as server, ring(server) as switch:
            await switch.play(script("door_service_dies_under_unicast.esl"))
            await dead.wait()
            switch.writer.transport.abort()
            await service.finished()
            await settled(server)
        assert isinstance(service.events[-1], Disconnected)


class TestNobodyIsLeftInSilence:
    @pytest.mark.parametrize("error", [RuntimeError("a stage broke"), None])
    async def test_a_handler_that_fails_or_forgets_gives_back_to_failed(self, error: Exception | None) -> None:
        async def on_call(call: DoorCall) -> None:
            if error is not None:
                raise error

        async with door(on_call) as server, ring(server) as switch:
            await switch.greet()
            assert (await switch.hear("setvar_door")).endswith(b" door failed\n\n")
            await switch.say(API_OK)
            await switch.hear("exit")
            await switch.say(NOTICE)
            assert await switch.gone() == b""
            await settled(server)

    async def test_a_caller_who_goes_under_a_careless_handler_is_no_failure(self) -> None:
        service = Script(lambda call: call.answer())
        async with door(service) as server, ring(server) as switch:
            await switch.greet("Answer-State: ringing")
            await switch.hear("answer")
            await switch.say(NOTICE)
            await service.finished()
            await settled(server)
        assert [type(e) for e in service.errors] == [CallEndedError]

    async def test_a_bad_door_name_is_the_handlers_failure(self) -> None:
        service = Script(lambda call: call.give_back("sofia/gateway/x/190"))
        async with door(service) as server, ring(server) as switch:
            await switch.greet()
            assert (await switch.hear("setvar_door")).endswith(b" door failed\n\n")
            await switch.say(NOTICE)
            await settled(server)
        assert [type(e) for e in service.errors] == [LocalProtocolError]

    async def test_closing_the_door_gives_live_calls_back(self) -> None:
        service = Script(lambda call: call.closed())
        server = door(service)
        await server.start()
        address = server.address
        async with ring(server) as switch:
            await switch.greet()
            await service.begun()
            closing = asyncio.create_task(server.close())
            assert (await switch.hear("setvar_door")).endswith(b" door failed\n\n")
            await switch.say(API_OK)
            await switch.hear("exit")
            await switch.say(NOTICE)
            await closing
        assert [type(e) for e in service.errors] == [asyncio.CancelledError]
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection(*address)

    async def test_closing_waits_for_calls_that_end_in_time(self) -> None:
        service = Script(lambda call: call.closed())
        server = door(service)
        await server.start()
        async with ring(server) as switch:
            await switch.greet()
            await service.begun()
            closing = asyncio.create_task(server.close(drain_timeout_s=LIMIT_S))
            await switch.say(NOTICE)
            await closing
        assert service.errors == []

    async def test_a_caller_whom_a_person_leaves_at_the_moment_when_we_do_is_given_back(self) -> None:
        """What ends his call at the person's hang-up was on its way already."""
        bridged = asyncio.Event()

        async def taken(call: DoorCall) -> None:
            await bridged.wait()
            await call.give_back("voicemail")

        service = Script(taken)
        async with door(service) as server, ring(server) as switch:
            await switch.greet("Answer-State: answered", "Channel-Read-Codec-Rate: 8000")
            await service.begun()
            await switch.say(event("CHANNEL_BRIDGE") + event("DTMF", "DTMF-Digit: 1"))
            assert isinstance(await anext(service.calls[0].events()), Dtmf)
            bridged.set()
            assert (await switch.hear()).endswith(b" socket_resume=false\n\n")
            await switch.say(event("CHANNEL_UNBRIDGE") + API_OK)
            assert (await switch.hear()).endswith(b" socket_resume=true\n\n")
            assert (await switch.hear("setvar_door")).endswith(b" door voicemail\n\n")
            await switch.say(API_OK + API_OK)
            await switch.hear("exit")
            await switch.say(OK + NOTICE)
            await service.finished()
        assert service.errors == []

    async def test_a_hang_up_that_freeswitch_ignores_ends_all_the_same(self) -> None:
        service = Script(lambda call: call.hang_up())
        async with door(service, close_timeout_s=0.05) as server, ring(server) as switch:
            await switch.greet()
            await switch.hear("hangup")
            assert await switch.gone() == b""
            await settled(server)
        assert service.errors == []

    @pytest.mark.parametrize("reset", [True, False])
    async def test_a_connection_that_ends_at_any_moment_leaves_nothing_behind(self, reset: bool) -> None:
        async def on_call(call: DoorCall) -> None:
            await call.answer()
            media = await call.start_unicast()
            switch.speaking.set()
            media.listen(media.send)
            await call.give_back("voicemail")

        ports = UnicastPorts()
        before, steps = ports.free, script("door_unicast_give_back_voicemail.esl")
        async with door(on_call, ports=ports) as server:
            for end in range(len(steps)):
                async with ring(server) as switch:
                    await switch.play(steps[:end])
                    if reset:
                        switch.writer.transport.abort()
                if end == 0:
                    continue  # it may not have been accepted yet
                await settled(server)
                assert ports.free + ports.retired == before
            async with ring(server) as switch:
                await switch.play(steps)
            await settled(server)
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        assert not tasks


class TestTheDoorItself:
    async def test_connect_is_said_at_once(self) -> None:
        async with door(Script(lambda call: call.closed())) as server, ring(server) as switch:
            loop = asyncio.get_running_loop()
            began = loop.time()
            await switch.hear("connect")
            assert loop.time() - began < 1.0

    @pytest.mark.parametrize(("room", "first"), [(1, b"connect\n\n"), (0, b"closed")])
    async def test_connect_is_said_before_anything_else_is_done(self, room: int, first: bytes) -> None:
        """Within the callback that makes the connection: no await, no handler and no other call comes between."""
        said: list[bytes] = []

        class Line(asyncio.Transport):
            def get_extra_info(self, name: str, default: object = None) -> object:
                return ("127.0.0.1", 8084)

            def is_closing(self) -> bool:
                return False

            def write(self, data: bytes | bytearray | memoryview) -> None:
                said.append(bytes(data))

            def abort(self) -> None:
                said.append(b"closed")

        server = door(Script(lambda call: call.closed()), max_connections=room, close_timeout_s=0.05)
        server._new_wire().connection_made(Line())
        assert said == [first]
        await server.close()

    async def test_of_a_crowd_at_once_each_is_told_connect_or_closed(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("transports.freeswitch.silent.PATIENCE_S", 60.0)
        room, crowd = 40, 100
        async with door(Script(lambda call: call.closed()), max_connections=room, close_timeout_s=0.05) as server:
            async with asyncio.timeout(LIMIT_S):
                lines = await asyncio.gather(*(asyncio.open_connection(*server.address) for _ in range(crowd)))
                heard = await asyncio.gather(*(first_words(reader) for reader, _ in lines))
            for _, writer in lines:
                writer.close()
            await asyncio.gather(*(writer.wait_closed() for _, writer in lines), return_exceptions=True)
        assert sorted(heard) == [b""] * (crowd - room) + [b"connect\n\n"] * room

    async def test_who_tells_no_call_is_let_go(self) -> None:
        service = Script(lambda call: call.closed())
        async with door(service, first_reply_timeout_s=0.05) as server, ring(server) as switch:
            assert await switch.gone() == b"connect\n\n"
            await settled(server)
        assert service.calls == []

    async def test_who_says_nonsense_is_let_go_and_the_next_call_works(self) -> None:
        service = Script(lambda call: call.refuse(DoorName.BUSY))
        async with door(service) as server:
            async with ring(server) as stranger:
                await stranger.say(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n\n\n")
                await stranger.gone()
                await settled(server)
            assert service.calls == []
            async with ring(server) as switch:
                await switch.play(script("door_refuse_politely.esl"))
                await service.finished()

    async def test_nonsense_in_a_live_call_ends_it(self) -> None:
        service = Script(lambda call: call.closed())
        async with door(service) as server, ring(server) as switch:
            await switch.greet()
            await service.begun()
            await switch.say(b"Content-Type: command/reply\nReply-Text: +OK to nothing\n\n")
            await service.finished()
        assert service.events == [Disconnected("FreeSWITCH broke the protocol")]

    async def test_more_connections_than_allowed_are_closed(self) -> None:
        service = Script(lambda call: call.closed())
        async with door(service, max_connections=1, close_timeout_s=0.05) as server, ring(server) as switch:
            await switch.greet()
            async with ring(server) as another:
                assert await another.gone() == b""
            assert server.live_calls == 1

    @pytest.mark.parametrize(
        ("bounds", "stranger"),
        [
            ({"max_silent": 3}, "127.0.0.1"),
            ({"max_connections": 3}, "127.0.0.1"),
            ({"max_connections": 3, "max_silent": 2}, "127.0.0.2"),
        ],
    )
    async def test_who_says_nothing_makes_room_at_once_for_who_does(
        self, bounds: dict[str, int], stranger: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        patience_s = 60.0 if stranger == "127.0.0.2" else 0.0
        monkeypatch.setattr("transports.freeswitch.silent.PATIENCE_S", patience_s)
        service = Script(lambda call: call.closed())
        async with door(service, first_reply_timeout_s=60, **bounds) as server, AsyncExitStack() as stack:
            silent = [await stack.enter_async_context(ring(server, stranger)) for _ in range(3)]
            for one in silent:
                await one.hear("connect")
            async with ring(server) as switch:
                await switch.greet()
                await service.begun()
                assert await silent[0].gone() == b""
                assert server.live_calls == 3
                await switch.say(NOTICE)
                await service.finished()
        assert service.errors == []

    async def test_who_was_silent_and_has_told_a_call_is_let_alone(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("transports.freeswitch.silent.PATIENCE_S", 0.0)
        service = Script(lambda call: call.closed())
        async with door(service, max_connections=1, max_silent=1) as server, ring(server) as switch:
            await switch.greet()
            await service.begun()
            async with ring(server) as another:
                assert await another.gone() == b""
            await switch.say(NOTICE)
            await service.finished()
        assert service.errors == []

    async def test_hundreds_of_calls_of_one_switch_at_once_are_no_crowd(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("transports.freeswitch.silent.PATIENCE_S", 60.0)
        crowd = 3 * MAX_SILENT
        service = Script(lambda call: call.closed())

        async def call(switch: Switch) -> None:
            await switch.hear("connect")
            told.append(None)
            async with asyncio.timeout(LIMIT_S):
                while len(told) < crowd:  # all are silent until the last has come  # noqa: ASYNC110
                    await asyncio.sleep(0.001)
            for kind, reply in ((None, hello()), ("myevents", OK), ("event", OK)):
                if kind is not None:
                    await switch.hear(kind)
                await switch.say(reply)

        told: list[None] = []
        async with door(service, close_timeout_s=0.05) as server, AsyncExitStack() as stack:
            switches = [await stack.enter_async_context(ring(server)) for _ in range(crowd)]
            await asyncio.gather(*map(call, switches))
            async with asyncio.timeout(LIMIT_S):
                while len(service.calls) < crowd:  # noqa: ASYNC110 - the condition is in the code under test
                    await asyncio.sleep(0.001)

    async def test_a_peer_that_is_not_allowed_is_closed(self) -> None:
        service = Script(lambda call: call.closed())
        switches = (PeerSwitch(networks=(ip_network("10.0.0.0/8"),)),)
        async with door(service, switches=switches) as server, ring(server) as switch:
            assert await switch.gone() == b""
            assert server.live_calls == 0

    async def test_digits_beyond_the_bound_are_dropped_and_the_end_is_not(self) -> None:
        async def act(call: DoorCall) -> None:
            await call.closed()

        service = Script(act)
        async with door(service, max_events=4) as server, ring(server) as switch:
            await switch.greet()
            await service.begun()
            await switch.say(event("DTMF", "DTMF-Digit: 1") * 500 + NOTICE)
            await service.finished()
        assert len(service.events) == 5
        assert isinstance(service.events[-1], Disconnected)

    async def test_it_is_not_open_before_start(self) -> None:
        with pytest.raises(RuntimeError, match="start"):
            _ = door(Script(lambda call: call.closed())).address


class TestAnswerAndMedia:
    async def answered(self, switch: Switch) -> None:
        await switch.greet("Answer-State: ringing")
        await switch.hear("answer")
        await switch.say(OK + ANSWERED)

    async def test_answer_gives_up_in_time(self) -> None:
        async def act(call: DoorCall) -> None:
            with pytest.raises(PhoneTimeoutError, match="answer"):
                await call.answer(timeout_s=0.02)
            await call.refuse(DoorName.FAILED)

        service = Script(act)
        async with door(service) as server, ring(server) as switch:
            await switch.greet("Answer-State: ringing")
            await switch.hear("answer")
            await switch.hear("set_door")
            await switch.say(NOTICE)
            await service.finished()
        assert service.errors == []

    async def test_a_channel_that_is_gone_already_is_not_waited_for(self) -> None:
        """The caller left before the events were subscribed: nothing tells of it but the refusal."""

        told = asyncio.Event()

        async def act(call: DoorCall) -> None:
            with pytest.raises(CallEndedError, match="no longer"):
                await call.answer(timeout_s=60)
            told.set()

        service = Script(act)
        async with door(service) as server, ring(server) as switch:
            await switch.greet("Answer-State: ringing")
            await switch.hear("answer")
            await switch.say(b"Content-Type: command/reply\nReply-Text: -ERR invalid session id [x]\n\n")
            await told.wait()
            await switch.say(NOTICE)
            await service.finished()
        assert service.errors == []

    async def test_a_caller_who_goes_while_we_answer(self) -> None:
        async def act(call: DoorCall) -> None:
            with pytest.raises(CallEndedError):
                await call.answer()

        service = Script(act)
        async with door(service) as server, ring(server) as switch:
            await switch.greet("Answer-State: ringing")
            await switch.hear("answer")
            await switch.say(OK + event("CHANNEL_HANGUP", "Hangup-Cause: ORIGINATOR_CANCEL") + NOTICE)
            await service.finished()
        assert service.errors == []
        assert service.events == [
            HungUp("ORIGINATOR_CANCEL", None),
            Disconnected("FreeSWITCH let go of the call"),
        ]

    async def test_another_port_is_tried_and_the_silent_one_never_lent_again(self) -> None:
        ports = UnicastPorts()
        before = ports.free

        async def act(call: DoorCall) -> None:
            await call.answer()
            media = await call.start_unicast()
            assert media.heard
            await call.hang_up()

        service = Script(act)
        async with door(service, ports=ports) as server, ring(server) as switch:
            await self.answered(switch)
            first = await switch.hear("unicast")
            await switch.say(OK)  # its bind failed: nothing comes
            loop = asyncio.get_running_loop()
            began = loop.time()
            second = await switch.hear("unicast")
            assert 0.19 < loop.time() - began < 2.0
            await switch.say(OK)
            switch.speak(second)
            await switch.hear("hangup")
            await switch.say(OK + NOTICE)
            await service.finished()
            await settled(server)
        assert service.errors == []
        assert first.split(b"local-port: ")[1][:5] != second.split(b"local-port: ")[1][:5]
        assert (ports.retired, ports.free) == (2, before - 2)

    async def test_a_stream_of_another_packet_time_is_alive_and_no_other_is_asked_for(self) -> None:
        """A second `unicast` would leak the first, and a datagram to its port ends the switch with all its calls."""
        ports = UnicastPorts()

        async def act(call: DoorCall) -> None:
            await call.answer()
            with pytest.raises(MediaUnavailableError, match="packet time"):
                await call.start_unicast()
            with pytest.raises(LocalProtocolError):
                await call.start_unicast()
            await call.give_back("failed")

        service = Script(act)
        async with door(service, ports=ports) as server, ring(server) as switch:
            await self.answered(switch)
            switch.speak(await switch.hear("unicast"), frame=bytes(480))
            await switch.say(OK)
            await switch.hear("setvar_door")
            await switch.say(NOTICE)
            await service.finished()
        assert service.errors == []
        assert sum(kind_of(command) == "unicast" for command in switch.asked) == 1
        assert ports.retired == 1

    @pytest.mark.parametrize(
        ("codec", "rate", "native", "first"),
        [
            ("PCMU", 8000, True, b"\xff" * 320),
            ("PCMA", 8000, True, bytes(160)),
            ("opus", 48000, False, bytes(1920)),
            ("G722", 16000, False, bytes(640)),
            ("", 8000, False, bytes(320)),
        ],
    )
    async def test_what_is_asked_for_where_native_is_wanted(
        self, codec: str, rate: int, native: bool, first: bytes
    ) -> None:
        async def act(call: DoorCall) -> None:
            await call.answer()
            media = await call.start_unicast()
            assert (media.native, media.sample_rate) == (native, min(rate, 16000))
            await call.hang_up()

        service = Script(act)
        options = UnicastOptions(native=True)
        async with door(service, unicast=options) as server, ring(server) as switch:
            named = (f"Channel-Read-Codec-Name: {codec}",) if codec else ()
            await switch.greet("Answer-State: answered", *named, f"Channel-Read-Codec-Rate: {rate}")
            asked = await switch.hear("unicast")
            assert (b"\nflags: native\n" in asked) is native
            switch.speak(asked, frame=first)
            await switch.say(OK)
            await switch.hear("hangup")
            await switch.say(OK + NOTICE)
            await service.finished()
        assert service.errors == []

    async def test_a_pair_of_an_orderly_call_is_lent_again(self) -> None:
        ports = UnicastPorts()
        before = ports.free

        async def act(call: DoorCall) -> None:
            await call.answer()
            await call.start_unicast()
            assert ports.free == before - 1
            await call.hang_up()

        service = Script(act)
        async with door(service, ports=ports) as server, ring(server) as switch:
            await self.answered(switch)
            switch.speak(await switch.hear("unicast"))
            await switch.say(OK)
            await switch.hear("hangup")
            await switch.say(OK + NOTICE)
            await service.finished()
        assert service.errors == []
        assert (ports.retired, ports.free) == (0, before)

    async def test_a_port_that_another_program_holds_is_passed_over(self) -> None:
        async def act(call: DoorCall) -> None:
            await call.answer()
            assert (await call.start_unicast()).local[1] != taken
            await call.hang_up()

        taken = UnicastPorts(seed=5).take().ours
        service = Script(act)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
            other.bind(("127.0.0.1", taken))
            async with door(service, ports=UnicastPorts(seed=5)) as server, ring(server) as switch:
                await self.answered(switch)
                switch.speak(await switch.hear("unicast"))
                await switch.say(OK)
                await switch.hear("hangup")
                await switch.say(NOTICE)
                await service.finished()
        assert service.errors == []

    async def test_no_port_works(self) -> None:
        async def act(call: DoorCall) -> None:
            await call.answer()
            with pytest.raises(MediaUnavailableError, match="2 ports"):
                await call.start_unicast()
            await call.give_back("failed")

        service = Script(act)
        options = UnicastOptions(attempts=2)
        async with door(service, unicast=options) as server, ring(server) as switch:
            await self.answered(switch)
            for _ in range(2):
                await switch.hear("unicast")
                await switch.say(OK)
            await switch.hear("setvar_door")
            await switch.say(NOTICE)
            await service.finished()
        assert service.errors == []

    async def test_media_before_the_answer_and_twice_at_once_are_refused(self) -> None:
        async def act(call: DoorCall) -> None:
            with pytest.raises(LocalProtocolError, match="before the answer"):
                await call.start_unicast()
            await call.answer()
            one = asyncio.ensure_future(call.start_unicast())
            await asyncio.sleep(0)
            with pytest.raises(LocalProtocolError, match="before: re-enter"):
                await call.start_unicast()
            assert (await one).heard
            await call.hang_up()

        service = Script(act)
        async with door(service) as server, ring(server) as switch:
            await self.answered(switch)
            switch.speak(await switch.hear("unicast"))
            await switch.say(OK)
            await switch.hear("hangup")
            await switch.say(NOTICE)
            await service.finished()
        assert service.errors == []
        assert sum(kind_of(c) == "unicast" for c in switch.asked) == 1

    async def test_a_refused_unicast(self) -> None:
        async def act(call: DoorCall) -> None:
            await call.answer()
            with pytest.raises(MediaUnavailableError, match="no such"):
                await call.start_unicast()
            await call.give_back(DoorName.FAILED)

        service = Script(act)
        async with door(service) as server, ring(server) as switch:
            await self.answered(switch)
            await switch.hear("unicast")
            await switch.say(b"Content-Type: command/reply\nReply-Text: -ERR no such thing\n\n")
            await switch.hear("setvar_door")
            await switch.say(NOTICE)
            await service.finished()
        assert service.errors == []

    async def test_audio_that_would_leave_its_network_is_not_begun(self) -> None:
        async def act(call: DoorCall) -> None:
            assert call.can_unicast is False
            await call.answer()
            with pytest.raises(MediaUnavailableError, match="would leave the media network"):
                await call.start_unicast()
            await call.give_back("failed")

        options = [
            UnicastOptions(networks=(ip_network("10.77.0.0/24"),)),
            UnicastOptions(our_host="192.0.2.1"),
            UnicastOptions(switch_host="192.0.2.1"),
            UnicastOptions(our_host="pbx.lan"),
        ]
        for chosen in options:
            service = Script(act)
            async with door(service, unicast=chosen) as server, ring(server) as switch:
                await self.answered(switch)
                await switch.hear("setvar_door")
                await switch.say(NOTICE)
                await service.finished()
            assert service.errors == []

    @pytest.mark.parametrize(("wire", "told"), [("unicast", b"remote-ip: 127.0.0.2\n"), ("stream", b"ws://127.0.0.2:")])
    async def test_a_switch_s_calls_have_their_audio_where_it_reaches_us(self, wire: str, told: bytes) -> None:
        async def act(call: DoorCall) -> None:
            assert call.switch == "here"
            await call.answer()
            with pytest.raises(CallEndedError):
                await (call.start_unicast() if wire == "unicast" else call.start_stream(media))

        service = Script(act)
        switches = [
            PeerSwitch(name="elsewhere", networks=(ip_network("10.0.0.0/8"),), our_host="127.0.0.8"),
            PeerSwitch(name="here", networks=(ip_network("127.0.0.1/32"),), our_host="127.0.0.2"),
            PeerSwitch(name="here too"),
        ]
        options = UnicastOptions(our_host="127.0.0.7")
        async with (
            MediaServer("127.0.0.1", 0) as media,
            door(service, unicast=options, switches=switches) as server,
            ring(server) as switch,
        ):
            await self.answered(switch)
            asked = await switch.hear() if wire == "unicast" else await switch.hear() + await switch.hear()
            assert told in asked
            await switch.say(NOTICE)
            await service.finished()
        assert service.errors == []

    async def test_the_announced_addresses_can_be_given(self) -> None:
        async def act(call: DoorCall) -> None:
            await call.answer()
            with pytest.raises(MediaUnavailableError):
                await call.start_unicast()
            await call.give_back("failed")

        service = Script(act)
        options = UnicastOptions(our_host="127.0.0.2", switch_host="127.0.0.3", attempts=1)
        async with door(service, unicast=options) as server, ring(server) as switch:
            await self.answered(switch)
            asked = await switch.hear("unicast")
            await switch.say(OK)
            assert b"local-ip: 127.0.0.3\n" in asked
            assert b"remote-ip: 127.0.0.2\n" in asked
            await switch.hear("setvar_door")
            await switch.say(NOTICE)
            await service.finished()
