"""The api commands that the peer knows."""

# ruff: noqa: ARG001  (handlers of one table share one signature)

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING
from uuid import uuid4

from control.peer.result import SwitchCrashed

if TYPE_CHECKING:
    from control.peer.machine import ChannelMachine

OK = "+OK\n"
FORK_OK = "+OK Success\n"
FORK_FAILED = "-ERR Operation Failed\n"
NO_CHANNEL = "-ERR No such channel!\n"

OfChannel = Callable[["ChannelMachine", str, float], str]


def api(machine: ChannelMachine, line: str, now: float) -> str:
    """Does the command; returns the body of its response.

    Raises:
        SwitchCrashed: `uuid_audio_fork … start` on a call without media.
    """
    name, _, rest = line.strip().partition(" ")
    if name == "status":
        return "UP 0 years, 0 days, 0 hours, 1 minute, 0 seconds\n"
    if name == "version":
        return "FreeSWITCH Version 1.11.2-release+git~20260809T162310Z~3f13ad1b1d~64bit (scripted peer)\n"
    if name == "create_uuid":
        return str(uuid4())
    uuid, _, argument = rest.strip().partition(" ")
    if name == "uuid_kill" and machine.legs.kill(uuid, now):
        return OK
    known = uuid == machine.channel.uuid and not machine.over
    if name == "uuid_exists":
        return "true" if known else "false"
    command = OF_CHANNEL.get(name)
    if command is None:
        return f"-ERR {name} Command not found!\n"
    return command(machine, argument.strip(), now) if known else NO_CHANNEL


def _setvar(machine: ChannelMachine, argument: str, now: float) -> str:
    name, _, value = argument.partition(" ")
    if not name:
        return "-USAGE: <uuid> <var> [value]\n"
    machine.channel.variables.put(name, value)
    return OK


def _setvar_multi(machine: ChannelMachine, argument: str, now: float) -> str:
    for pair in argument.split(";"):
        name, _, value = pair.partition("=")
        machine.channel.variables.put(name, value)
    return OK


def _getvar(machine: ChannelMachine, argument: str, now: float) -> str:
    return machine.channel.variables.get(argument) or "_undef_"


def _kill(machine: ChannelMachine, argument: str, now: float) -> str:
    machine.end(argument or "NORMAL_CLEARING")
    return OK


def _break(machine: ChannelMachine, argument: str, now: float) -> str:
    """Has no effect on unicast."""
    machine.stop_playback(now, everything=argument == "all")
    return OK


def _bridge(machine: ChannelMachine, argument: str, now: float) -> str:
    return f"+OK {argument}\n" if machine.legs.bridge(argument, now) else "-ERR Invalid uuid\n"


def _send_dtmf(machine: ChannelMachine, argument: str, now: float) -> str:
    if not argument:
        return "-USAGE: <uuid> <dtmf_data>\n"
    machine.keys_heard += argument.partition("@")[0]
    return OK


def _transfer(machine: ChannelMachine, argument: str, now: float) -> str:
    machine.transfer(argument or "park inline", now)
    return OK


def _audio_fork(machine: ChannelMachine, argument: str, now: float) -> str:
    """`start URL mono 8k [bug] [metadata] [true true RATE]`, `stop [bug]`."""
    words = argument.split()
    if words[:1] == ["stop"]:
        return FORK_OK if machine.bugs.stop_fork() else FORK_FAILED
    if words[:1] != ["start"] or len(words) < 4:
        return "-USAGE: <uuid> [start | stop | send_text | pause | resume ] [wss-url | path]\n"
    if not machine.channel.has_media:
        raise SwitchCrashed(
            "`uuid_audio_fork … start` on an unanswered call: segmentation fault in mod_audio_fork (the read codec is "
            "fetched before its pre_answer). Answer first."
        )
    rate = int(words[3].removesuffix("k")) * (1000 if words[3].endswith("k") else 1)
    both_ways = len(words) >= 9 and words[6:8] == ["true", "true"]
    return FORK_OK if machine.bugs.start_fork(words[1], rate, both_ways=both_ways) else FORK_FAILED


def _audio_stream(machine: ChannelMachine, argument: str, now: float) -> str:
    """`start URL mono [8k|16k] [metadata…]`, `stop [text]`; pause, resume and send_text change nothing that shows."""
    words = argument.split()
    match words[:1]:
        case ["stop"]:
            return FORK_OK if machine.bugs.stop_stream() else FORK_FAILED
        case ["start"] if len(words) >= 3:
            rate = words[3] if len(words) > 3 else "8k"
            hertz = int(rate.removesuffix("k")) * (1000 if rate.endswith("k") else 1)
            return FORK_OK if hertz % 8000 == 0 and machine.bugs.start_stream(words[1], hertz, now) else FORK_FAILED
        case ["pause" | "resume" | "send_text"]:
            return FORK_OK
    return "-USAGE: <uuid> [start | stop | send_text | pause | resume | graceful-shutdown ] [wss-url | path]\n"


OF_CHANNEL: Mapping[str, OfChannel] = {
    "uuid_setvar": _setvar,
    "uuid_setvar_multi": _setvar_multi,
    "uuid_getvar": _getvar,
    "uuid_kill": _kill,
    "uuid_break": _break,
    "uuid_bridge": _bridge,
    "uuid_send_dtmf": _send_dtmf,
    "uuid_transfer": _transfer,
    "uuid_audio_fork": _audio_fork,
    "uuid_audio_stream": _audio_stream,
}
"""Commands whose first word is a channel's uuid."""
