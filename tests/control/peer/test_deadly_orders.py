"""The four orders that kill a whole FreeSWITCH kill the peer too, so that a test of the service notices."""

import asyncio

import pytest

from control.peer import Dialed, Script, Switch, SwitchCrashed, Wait
from control.peer.actions import OpenUnicast, Transferred
from control.peer.esl import EventWriter
from control.peer.machine import ChannelMachine
from control.peer.script import Codec
from control.peer.variables import new_channel
from tests.control.peer.conftest import ANSWER, HELLO, UNICAST, Connection, Service

ORDER = UNICAST.format(local=40001, remote=40000)
NATIVE = ORDER.replace("transport: udp\n", "transport: udp\nflags: native\n")
PATIENT = Script(steps=(Wait(5),), limit_s=10)


def connected() -> ChannelMachine:
    socket = "127.0.0.1:8084 async full"
    channel = new_channel(Dialed(number="1000"), Codec.PCMU, 0, session_id=1, socket=socket)
    machine = ChannelMachine(channel, EventWriter("core"), lambda now: int(now * 1e6) + 1, socket=socket, files={})
    machine.receive(HELLO.encode(), 0.0)
    machine.tick(0.02)
    return machine


def test_unicast_before_there_is_media() -> None:
    machine = connected()
    machine.receive(ORDER.encode(), 0.03)
    with pytest.raises(SwitchCrashed, match="read_frame"):
        machine.tick(0.04)


def test_unicast_after_pre_answer_is_no_crime() -> None:
    machine = connected()
    machine.receive(ANSWER.replace("answer", "pre_answer").encode(), 0.03)
    machine.tick(0.04)
    machine.tick(0.06)
    machine.receive(ORDER.encode(), 0.07)
    assert any(isinstance(action, OpenUnicast) for action in machine.tick(0.08))


@pytest.mark.parametrize("ticks_between", [0, 1])
def test_answer_and_unicast_pipelined_while_the_caller_cancels(ticks_between: int) -> None:
    machine = connected()
    machine.receive((ANSWER + ORDER).encode(), 0.03)
    for tick in range(ticks_between):
        machine.tick(0.04 + tick * 0.02)
    with pytest.raises(SwitchCrashed, match="caller cancels"):
        machine.caller_hangs_up()


def test_native_pipelined_survives_the_cancel_as_it_was_seen_to() -> None:
    machine = connected()
    machine.receive((ANSWER + NATIVE).encode(), 0.03)
    machine.caller_hangs_up()
    machine.tick(0.04)
    assert machine.over


def test_audio_fork_on_an_unanswered_call() -> None:
    machine = connected()
    order = f"api uuid_audio_fork {machine.channel.uuid} start ws://127.0.0.1/x mono 8k\n\n"
    with pytest.raises(SwitchCrashed, match="mod_audio_fork"):
        machine.receive(order.encode(), 0.03)


async def second_unicast(connection: Connection) -> None:
    """Orders a second stream while the first runs, and goes on sending to the first."""
    await connection.answer()
    await connection.media()
    first = connection.switch
    await connection.media()
    connection.write("sendmsg\ncall-command: hangup\nhangup-cause: NORMAL_CLEARING\n\n")
    await connection.until("CHANNEL_HANGUP_COMPLETE")
    for _ in range(20):
        connection.udp.sendto(b"\x00" * 320, first)
        await asyncio.sleep(0.02)


async def test_a_datagram_to_the_first_of_two_streams_after_the_call(service: Service) -> None:
    service.behave = second_unicast
    async with Switch(port=service.port) as switch:
        with pytest.raises(SwitchCrashed, match="second `unicast`"):
            await switch.call(Dialed(number="1000"), PATIENT)


async def test_a_second_stream_alone_is_reported_as_a_hazard(service: Service) -> None:
    async def behave(connection: Connection) -> None:
        await connection.answer()
        await connection.media()
        await connection.media()
        connection.write("sendmsg\ncall-command: hangup\n\n")
        await connection.until_closed()

    service.behave = behave
    async with Switch(port=service.port) as switch:
        result = await switch.call(Dialed(number="1000"), PATIENT)
    assert len(result.hazards) == 1


async def test_a_crash_takes_every_call_of_the_switch_with_it(service: Service) -> None:
    async def behave(connection: Connection) -> None:
        connection.write(HELLO)
        await connection.until("Control: full")
        if len(service.connections) == 2:
            connection.write(ORDER)
        await connection.until_closed()

    service.behave = behave
    async with Switch(port=service.port) as switch:
        calls = [asyncio.create_task(switch.call(Dialed(number="1000"), PATIENT)) for _ in range(2)]
        ended = await asyncio.gather(*calls, return_exceptions=True)
        assert [type(end) for end in ended] == [SwitchCrashed, SwitchCrashed]
        with pytest.raises(SwitchCrashed):
            await switch.call(Dialed(number="1000"), PATIENT)


TRANSFER = "api uuid_transfer {uuid} 200 XML default\n\n"
KEEP = "api uuid_setvar_multi {uuid} socket_resume=false\n\n"
FETCHED = "the socket was let go under socket_resume after a transfer: it fetched the caller back"


@pytest.mark.parametrize("ticks_between", [0, 3])
@pytest.mark.parametrize(("before", "hazards"), [("", [FETCHED]), (KEEP, [])])
def test_a_transferred_caller_is_fetched_back_unless_that_was_taken_off(
    before: str, hazards: list[str], ticks_between: int
) -> None:
    machine = connected()
    machine.receive((before + TRANSFER).format(uuid=machine.channel.uuid).encode(), 0.03)
    actions = [action for tick in range(ticks_between) for action in machine.tick(0.04 + tick * 0.02)]
    actions += machine.receive(b"exit\n\n", 0.12)
    machine.socket_closed(0.13)
    actions += machine.tick(0.14)
    assert [action.to for action in actions if isinstance(action, Transferred)] == ["200 XML default"]
    assert machine.hazards == hazards


def test_a_fork_that_is_not_stopped_listens_in_on_a_transferred_call() -> None:
    machine = connected()
    machine.receive((ANSWER + KEEP.format(uuid=machine.channel.uuid)).encode(), 0.03)
    for tick in range(3):
        machine.tick(0.04 + tick * 0.02)
    fork = (
        f"api uuid_audio_fork {machine.channel.uuid} start ws://127.0.0.1/x mono 8k audio_fork {{}} true true 8000\n\n"
    )
    machine.receive((fork + TRANSFER.format(uuid=machine.channel.uuid)).encode(), 0.11)
    machine.tick(0.12)
    assert machine.hazards == ["a media bug that survives the transfer goes on listening"]


def test_keys_that_are_sent_are_heard() -> None:
    machine = connected()
    machine.receive(f"api uuid_send_dtmf {machine.channel.uuid} 12#\n\n".encode(), 0.03)
    assert machine.keys_heard == "12#"
