"""The peer's mod_audio_fork: what of our audio is heard, and when; and the commands as they were recorded."""

import numpy as np
import pytest

from control.peer.actions import CloseUnicast, OpenFork
from control.peer.esl import EventWriter
from control.peer.facts import Dialed
from control.peer.fork import Downlink
from control.peer.machine import ChannelMachine
from control.peer.result import SwitchCrashed
from control.peer.script import Codec
from control.peer.variables import new_channel

FRAME = np.ones(160, dtype=np.int16)
NOON = 1_795_340_000_000_000


def heard(downlink: Downlink, ticks: int) -> int:
    """How many frames of 20 ms are heard in so many ticks."""
    return sum(downlink.take() is not None for _ in range(ticks))


def test_a_fresh_stream_is_heard_after_two_steps_of_80_ms() -> None:
    downlink = Downlink(8000)
    ticks = 0
    while downlink.take() is None:
        downlink.put(FRAME)
        ticks += 1
    assert ticks == 8, "160 ms"


def test_of_a_second_in_frames_the_last_40_ms_come_with_the_next_utterance() -> None:
    """As measured: 50 frames of 20 ms are heard as 0.96 s."""
    downlink = Downlink(8000)
    for _ in range(50):
        downlink.put(FRAME)
    assert heard(downlink, 100) == 48
    for _ in range(8):
        downlink.put(-FRAME)
    first = downlink.take()
    assert first is not None
    assert first[0] == 1


def test_killed_audio_is_not_heard_and_the_stream_begins_anew() -> None:
    downlink = Downlink(8000)
    for _ in range(20):
        downlink.put(FRAME)
    assert heard(downlink, 3) == 3
    downlink.kill()
    assert heard(downlink, 10) == 0
    for _ in range(8):
        downlink.put(FRAME)
    assert heard(downlink, 20) == 8


def test_only_a_buffer_that_plays_can_run_empty() -> None:
    downlink = Downlink(8000)
    assert heard(downlink, 10) == 0
    assert downlink.ran_empty == 0, "it has not begun"
    for _ in range(8):
        downlink.put(FRAME)
    assert heard(downlink, 12) == 8
    assert downlink.ran_empty == 1, "once, however long it stays empty"
    for _ in range(8):
        downlink.put(FRAME)
    assert heard(downlink, 2) == 2
    downlink.kill()
    assert heard(downlink, 5) == 0
    assert downlink.ran_empty == 1, "what was killed was meant to end"


def channel(**variables: str) -> ChannelMachine:
    made = new_channel(Dialed(number="1000"), Codec.PCMU, NOON, session_id=1, socket="127.0.0.1:8084 async full")
    machine = ChannelMachine(made, EventWriter("core"), lambda _: NOON, socket="x", files={})
    for name, value in variables.items():
        machine.channel.variables.put(name, value)
    machine.opened(0.0)
    machine.receive(b"connect\n\nmyevents\n\nevent plain CUSTOM mod_audio_fork::connect\n\n", 0.0)
    return machine


def answered(machine: ChannelMachine) -> ChannelMachine:
    machine.receive(b"sendmsg\ncall-command: execute\nexecute-app-name: answer\n\n", 0.0)
    for tick in range(1, 20):
        machine.tick(tick * 0.02)
    assert machine.channel.has_media
    return machine


def say(machine: ChannelMachine, command: str) -> tuple[str, list[object]]:
    """The response's body, and what is to be done beside it."""
    actions = machine.receive(f"api uuid_audio_fork {machine.channel.uuid} {command}\n\n".encode(), 1.0)
    texts = [part.decode() for action in actions for part in getattr(action, "parts", ())]
    return texts[0].partition("\n\n")[2], [action for action in actions if not hasattr(action, "parts")]


START = 'start ws://127.0.0.1:9090/x mono 8k audio_fork {"call":"x"} true true 8000'


def test_it_starts_once_and_again_only_after_a_stop() -> None:
    machine = answered(channel(send_silence_when_idle="-1"))
    body, [order] = say(machine, START)
    assert body == "+OK Success\n"
    assert order == OpenFork(machine.channel.uuid, "ws://127.0.0.1:9090/x", 8000, muted=False)
    assert say(machine, START) == ("-ERR Operation Failed\n", [])
    assert say(machine, "stop") == ("+OK Success\n", [CloseUnicast("stop")])
    assert say(machine, "stop") == ("-ERR Operation Failed\n", [])
    assert say(machine, START)[0] == "+OK Success\n"


def test_a_socket_that_is_lost_leaves_its_bug_behind() -> None:
    """As recorded in audio_fork_8k_closed_by_server: start is refused until stop."""
    machine = answered(channel(send_silence_when_idle="-1"))
    say(machine, START)
    assert CloseUnicast("disconnect") in machine.fork_told("disconnect", 1.0)
    assert say(machine, START) == ("-ERR Operation Failed\n", [])
    assert say(machine, "stop") == ("+OK Success\n", [])
    assert say(machine, START)[0] == "+OK Success\n"


@pytest.mark.parametrize(
    ("variables", "command"), [({}, START), ({"send_silence_when_idle": "-1"}, "start ws://127.0.0.1:9090/x mono 8k")]
)
def test_where_nobody_writes_to_the_channel_nothing_is_heard(variables: dict[str, str], command: str) -> None:
    machine = answered(channel(**variables))
    _, [order] = say(machine, command)
    assert isinstance(order, OpenFork)
    assert order.muted


def test_silence_that_is_asked_for_after_the_answer_comes_too_late() -> None:
    machine = answered(channel())
    machine.channel.variables.put("send_silence_when_idle", "-1")
    _, [order] = say(machine, START)
    assert isinstance(order, OpenFork)
    assert order.muted


def test_before_the_answer_it_kills_the_switch() -> None:
    with pytest.raises(SwitchCrashed, match="audio_fork"):
        say(channel(), START)
