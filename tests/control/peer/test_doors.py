"""Whole calls over real sockets: which way they end, and what the result says of it."""

import asyncio
from typing import Any

import pytest

from control.peer import (
    CallResult,
    Dialed,
    Dtmf,
    HangUp,
    Script,
    Switch,
    Wait,
    WaitFor,
    WireEvent,
    Write,
    run_calls,
)
from control.peer.script import Hears
from tests.control.peer.conftest import ANSWER, HELLO, SUBSCRIBE, UNICAST, Connection, Service, tone

DIALED = Dialed(number="1000", variables={"atende_tenant": "t-1", "atende_number": "1000", "atende_sig": "s"})
PATIENT = Script(steps=(Wait(30),), limit_s=5)


async def hold(connection: Connection) -> None:
    """Answers, opens the media, and stays to the end."""
    await connection.answer()
    await connection.media()
    await connection.until_closed()


async def ring(service: Service, script: Script = PATIENT) -> CallResult:
    async with Switch(port=service.port) as switch:
        result = await switch.call(DIALED, script)
    await service.finished()
    return result


async def test_a_caller_who_gave_up_before_the_connection_stood_leaves_no_service_waiting(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def behave(connection: Connection) -> None:
        connection.write(HELLO + SUBSCRIBE)
        await connection.until_closed(timeout_s=2)

    service.behave, service.forgiving = behave, True
    loop = asyncio.get_running_loop()
    connect = loop.create_connection
    async with Switch(port=service.port) as switch:
        call = switch.dial(DIALED, PATIENT)

        async def late(*args: Any, **options: Any) -> Any:
            while not call.machine.over:  # noqa: ASYNC110  (the machine is pure: it has no event to wait for)
                await asyncio.sleep(0.005)
            return await connect(*args, **options)

        monkeypatch.setattr(loop, "create_connection", late)
        call.hang_up()
        result = await switch.ring(call)
    await service.finished()
    assert (result.ended_by, result.cause, result.answered) == ("caller", "ORIGINATOR_CANCEL", False)
    assert not any(isinstance(failure, TimeoutError) for failure in service.failures)
    assert not any(b"CHANNEL_DATA" in connection.received for connection in service.connections)


def set_door(name: str) -> str:
    """The order that tells the dialplan where to go on."""
    return f"sendmsg\ncall-command: execute\nexecute-app-name: set\nexecute-app-arg: door={name}\nevent-lock: true\n\n"


async def test_the_dialplan_s_variables_come_with_the_greeting(service: Service) -> None:
    async def behave(connection: Connection) -> None:
        connection.write(HELLO)
        await connection.until("Control: full")
        for line in ("variable_atende_tenant: t-1", "variable_atende_sig: s", "Caller-Destination-Number: 1000"):
            assert line in connection.received.decode()
        connection.write("exit\n\n")
        await connection.until_closed()

    service.behave = behave
    await ring(service)


async def test_refused_politely_the_dialplan_goes_on(service: Service) -> None:
    async def behave(connection: Connection) -> None:
        order = (
            "sendmsg\ncall-command: execute\nexecute-app-name: set\nexecute-app-arg: door=busy\nevent-lock: true\n\n"
        )
        connection.write(HELLO + order + "exit\n\n")
        await connection.until_closed()

    service.behave = behave
    result = await ring(service)
    assert (result.ended_by, result.door, result.cause, result.answered) == ("dialplan", "busy", "USER_BUSY", False)
    assert result.ended_ms < 1000


async def test_hung_up_with_a_cause_the_fall_back_does_not_run(service: Service) -> None:
    async def behave(connection: Connection) -> None:
        connection.write(HELLO + SUBSCRIBE + "sendmsg\ncall-command: hangup\nhangup-cause: CALL_REJECTED\n\nexit\n\n")
        await connection.until_closed()

    service.behave = behave
    result = await ring(service)
    assert (result.ended_by, result.door, result.cause) == ("service", None, "CALL_REJECTED")


async def test_given_back_under_unicast(service: Service) -> None:
    async def behave(connection: Connection) -> None:
        await connection.answer()
        await connection.media()
        uuid = connection.received.partition(b"\nUnique-ID: ")[2].partition(b"\n")[0].decode()
        connection.write(f"api uuid_setvar {uuid} door voicemail\n\nexit\n\n")
        await connection.until_closed()
        assert b"Disconnected, goodbye." in connection.received

    service.behave = behave
    result = await ring(service)
    assert (result.ended_by, result.door, result.answered) == ("dialplan", "voicemail", True)
    assert result.uplink.datagrams > 0


async def test_nobody_at_the_door() -> None:
    async with Switch(port=1) as switch:
        result = await switch.call(DIALED, PATIENT)
    assert (result.door, result.cause, result.connected_ms) == ("failed", "NORMAL_TEMPORARY_FAILURE", None)


@pytest.mark.parametrize("when", ["at once", "before connect", "under unicast"])
async def test_the_service_dies(service: Service, when: str) -> None:
    async def behave(connection: Connection) -> None:
        if when == "under unicast":
            await connection.answer()
            await connection.media()
        elif when == "before connect":
            await asyncio.sleep(0.05)
        connection.writer.transport.abort()

    service.behave = behave
    result = await ring(service)
    assert (result.ended_by, result.door) == ("dialplan", "failed")
    assert result.answered == (when == "under unicast")


async def test_the_door_again_is_a_second_connection_of_the_same_call(service: Service) -> None:
    async def behave(connection: Connection) -> None:
        if len(service.connections) > 1:
            connection.write(HELLO + SUBSCRIBE)
            await connection.until("+OK Events Enabled")
            await connection.media()
            connection.write("sendmsg\ncall-command: hangup\n\n")
            await connection.until_closed()
            return
        await connection.answer()
        await connection.media()
        connection.write(
            "sendmsg\ncall-command: execute\nexecute-app-name: set\nexecute-app-arg: door=again\n\nexit\n\n"
        )
        await connection.until_closed()

    service.behave = behave
    result = await ring(service)
    first, second = (connection.received.decode() for connection in service.connections)
    assert "Caller-Destination-Number: door_again" in second
    assert "variable_door: failed" in second
    assert "Channel-Read-Codec-Rate: 8000" in second
    assert first.partition("\nUnique-ID: ")[2][:36] == second.partition("\nUnique-ID: ")[2][:36]
    assert (result.doors, result.ended_by, result.door) == (("again",), "service", None)


@pytest.mark.parametrize("moment", [0.0, 0.03, 0.06, 0.1, 0.3])
async def test_the_caller_hangs_up_at_any_moment(service: Service, moment: float) -> None:
    service.behave = hold
    service.forgiving = True
    result = await ring(service, Script(steps=(Wait(30),), hang_up_after_s=moment, limit_s=5))
    assert result.ended_by == "caller"
    assert result.cause == ("NORMAL_CLEARING" if result.answered else "ORIGINATOR_CANCEL")
    assert result.ended_ms < 2000


async def test_a_caller_who_loses_patience_ends_a_call_that_nobody_answers(service: Service) -> None:
    async def silent(connection: Connection) -> None:
        await connection.until_closed()

    service.behave = silent
    result = await ring(service, Script(steps=(), limit_s=0.5))
    assert (result.ended_by, result.cause, result.answered) == ("caller", "ORIGINATOR_CANCEL", False)


async def test_lingering_the_service_is_told_and_then_closed_upon(service: Service) -> None:
    async def behave(connection: Connection) -> None:
        connection.write("linger 1\n\n")
        await hold(connection)

    service.behave = behave
    result = await ring(service, Script(steps=(Wait(0.3), HangUp())))
    text = service.connections[0].received.decode()
    assert "Content-Disposition: linger" in text
    assert text.index("Linger-Time: 1") < text.index("Disconnected, goodbye.")
    assert result.script_finished


async def test_keys_reach_the_service_with_their_duration(service: Service) -> None:
    service.behave = hold
    await ring(service, Script(steps=(Dtmf("5#"), HangUp())))
    text = service.connections[0].received.decode()
    assert text.index("DTMF-Digit: 5") < text.index("DTMF-Digit: %23")
    assert text.count("DTMF-Duration: 1280") == 2


async def test_texts_go_both_ways_as_events_where_there_is_no_module(service: Service) -> None:
    async def behave(connection: Connection) -> None:
        await connection.answer()
        connection.write("event plain CUSTOM atende::text\n\n")
        await connection.media()
        await connection.until("ação\n\nexit")
        uuid = connection.received.partition(b"Unique-ID: ")[2][:36].decode()
        head = "sendevent CUSTOM\nEvent-Subclass: {}\nUnique-ID: {}\nContent-Length: {}\n\n"
        for subclass, call_id, body in (
            ("atende::text-out", uuid, "até\n\nexit"),
            ("atende::text-out", "another", "not this call's"),
            ("other", uuid, "of something else"),
        ):
            connection.write(head.format(subclass, call_id, len(body.encode())) + body)
            await connection.until("+OK ")
        connection.write("sendmsg\ncall-command: hangup\n\n")
        await connection.until_closed()

    service.behave = behave
    result = await ring(service, Script(steps=(Wait(0.2), Write("ação\n\nexit"), WaitFor(what=Hears.HANG_UP))))
    assert (result.ended_by, result.texts) == ("service", ("até\n\nexit",))
    [written], [text] = ([e.detail for e in result.events if e.what == what] for what in ("caller_writes", "text"))
    assert (written, text) == ("ação\n\nexit", "até\n\nexit")
    received = service.connections[0].received.decode()
    assert received.count("Event-Subclass: atende%3A%3Atext\n") == 1
    assert "Content-Length: 12\n\nação\n\nexit" in received


async def test_waiting_for_the_service_to_hang_up(service: Service) -> None:
    async def behave(connection: Connection) -> None:
        await connection.answer()
        await connection.media()
        connection.write("sendmsg\ncall-command: hangup\nhangup-cause: NORMAL_CLEARING\n\n")
        await connection.until_closed()

    service.behave = behave
    result = await ring(service, Script(steps=(WaitFor(what=Hears.HANG_UP),)))
    assert (result.ended_by, result.script_finished) == ("service", True)


async def test_a_port_that_is_taken_gives_ok_and_nothing_and_another_one_works(service: Service) -> None:
    async def behave(connection: Connection) -> None:
        await connection.answer()
        await connection.open_udp()
        connection.write(UNICAST.format(local=connection.port, remote=connection.port))  # our own: taken
        await asyncio.sleep(0.1)
        assert connection.uplink == []
        connection.write(UNICAST.format(local=connection.switch[1], remote=connection.port))
        await connection.until_heard(2)
        connection.write("sendmsg\ncall-command: hangup\n\n")
        await connection.until_closed()

    service.behave = behave
    result = await ring(service)
    assert result.ended_by == "service"
    assert result.hazards == ()


async def test_with_send_silence_when_idle_the_caller_hears_nothing(service: Service) -> None:
    async def behave(connection: Connection) -> None:
        order = "sendmsg\ncall-command: execute\nexecute-app-name: set\nexecute-app-arg: send_silence_when_idle=-1\n\n"
        connection.write(HELLO + SUBSCRIBE + order)
        await connection.until("+OK Events Enabled")
        connection.write(ANSWER)
        await connection.until("Event-Name: CHANNEL_ANSWER")
        await connection.media()
        await connection.speak(0.3)
        connection.write("sendmsg\ncall-command: hangup\n\n")
        await connection.until_closed()

    service.behave = behave
    result = await ring(service)
    assert result.downlink.datagrams == 15
    assert result.greeting_ms is None


async def test_many_calls_at_once_each_with_its_own_result(service: Service) -> None:
    async def behave(connection: Connection) -> None:
        await connection.answer()
        await connection.media()
        await connection.speak(0.4)
        await connection.until_closed()

    service.behave = behave
    seen: list[tuple[int, WireEvent]] = []
    script = Script(steps=(WaitFor(what=Hears.SPEECH_END, quiet_ms=200), HangUp()))
    results = await run_calls(
        [(DIALED, script)] * 8, port=service.port, stagger_s=0.01, on_event=lambda *event: seen.append(event)
    )
    assert len({result.call_id for result in results}) == 8
    for result in results:
        assert result.ended_by == "caller"
        assert result.greeting_ms is not None
        assert result.greeting_ms < 1000
        assert result.downlink.datagrams == 20
    assert {index for index, _ in seen} == set(range(8))


async def test_a_broken_speaker_of_the_protocol_is_cut_off(service: Service) -> None:
    async def behave(connection: Connection) -> None:
        connection.write("x" * 70_000)
        await connection.until_closed()

    service.behave = behave
    service.forgiving = True
    result = await ring(service)
    assert result.door == "failed"


async def test_a_burst_is_heard_in_time_and_its_backlog_reported(service: Service) -> None:
    async def behave(connection: Connection) -> None:
        await connection.answer()
        await connection.media()
        for _ in range(25):
            connection.play(tone(160))
        await connection.until_closed()

    service.behave = behave
    result = await ring(service, Script(steps=(WaitFor(what=Hears.SPEECH_END, quiet_ms=100), HangUp())))
    assert result.downlink.backlog_max_ms == pytest.approx(480, abs=25)
    (spoke,) = [event for event in result.events if event.what == "assistant_speaks"]
    assert result.ended_ms - spoke.t_ms > 580
