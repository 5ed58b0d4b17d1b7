"""The verbs of an outbound event socket: what FreeSWITCH answers to each, and what it queues."""

# ruff: noqa: ARG001  (handlers of one table share one signature)

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING
from uuid import uuid4

from control.peer import esl
from control.peer.actions import CloseSocket, EventSent, Send
from control.peer.api import api

if TYPE_CHECKING:
    from control.peer.machine import ChannelMachine

Verb = Callable[["ChannelMachine", esl.Command, float], None]
MY_EVENTS = frozenset(name for name in esl.WRITTEN_AT if name.startswith("CHANNEL_")) | {"DTMF", "TALK", "NOTALK"}


def obey(machine: ChannelMachine, command: esl.Command, now: float) -> None:
    """Answers one command.

    Raises:
        SwitchCrashed: it was a deadly one.
    """
    VERBS.get(command.verb, _unknown)(machine, command, now)


def _unknown(machine: ChannelMachine, command: esl.Command, now: float) -> None:
    machine.reply("-ERR command not found")


def _connect(machine: ChannelMachine, command: esl.Command, now: float) -> None:
    machine.is_connected = True
    machine.send(machine.writer.connect_reply(machine.channel, machine.wall_us(now)))


def _linger(machine: ChannelMachine, command: esl.Command, now: float) -> None:
    machine.linger_s = int(command.arguments) if command.arguments.isdigit() else 5
    machine.reply(f"+OK will linger {machine.linger_s} seconds")


def _nolinger(machine: ChannelMachine, command: esl.Command, now: float) -> None:
    machine.linger_s = None
    machine.reply("+OK no longer lingering")


def _myevents(machine: ChannelMachine, command: esl.Command, now: float) -> None:
    machine.subscribed |= MY_EVENTS
    machine.reply("+OK Events Enabled")


def _event(machine: ChannelMachine, command: esl.Command, now: float) -> None:
    machine.subscribed |= frozenset(command.arguments.split()[1:])
    machine.reply("+OK event listener enabled plain")


def _noevents(machine: ChannelMachine, command: esl.Command, now: float) -> None:
    machine.subscribed = frozenset()
    machine.reply("+OK no longer listening for events")


def _getvar(machine: ChannelMachine, command: esl.Command, now: float) -> None:
    machine.reply(machine.channel.variables.get(command.arguments) or "-ERR command not found")


def _api(machine: ChannelMachine, command: esl.Command, now: float) -> None:
    machine.send(esl.api_response(api(machine, command.arguments, now)))


def _bgapi(machine: ChannelMachine, command: esl.Command, now: float) -> None:
    job = command.headers.get("job-uuid") or str(uuid4())
    machine.send(esl.reply(f"+OK Job-UUID: {job}", ("Job-UUID", job)))
    name, _, argument = command.arguments.partition(" ")
    extra = [("Job-UUID", job), ("Job-Owner-UUID", machine.channel.uuid), ("Job-Command", name)]
    extra += [("Job-Command-Arg", argument)] if argument else []
    if name == "originate":
        later = machine.legs.originate(command.arguments, extra, now)
        if later is None:
            return
        result = later
    else:
        result = api(machine, command.arguments, now)
    if machine.hears("BACKGROUND_JOB"):
        machine.out.append(Send(machine.writer.job(machine.wall_us(now), extra, result)))


def _sendmsg(machine: ChannelMachine, command: esl.Command, now: float) -> None:
    uuid = command.arguments
    if machine.over or (uuid and uuid != machine.channel.uuid):
        machine.reply(f"-ERR invalid session id [{uuid or machine.channel.uuid}]")
        return
    machine.reply("+OK")
    machine.queue.append(command)


def _sendevent(machine: ChannelMachine, command: esl.Command, now: float) -> None:
    """An event with this channel's id is given to the channel, whose park tells it (read in source, not observed)."""
    machine.reply(f"+OK {uuid4()}")
    subclass = command.headers.get("event-subclass", "")
    if command.arguments != "CUSTOM" or command.headers.get("unique-id") != machine.channel.uuid or machine.over:
        return
    machine.out.append(EventSent(subclass, command.body))
    if machine.hears(subclass):
        machine.event("CUSTOM", now, [("Event-Subclass", subclass)], command.body)


def _resume(machine: ChannelMachine, command: esl.Command, now: float) -> None:
    machine.channel.variables.put("socket_resume", "true")
    machine.reply("+OK")


def _exit(machine: ChannelMachine, command: esl.Command, now: float) -> None:
    machine.send(esl.reply("+OK bye") + esl.disconnect_notice(machine.channel))
    machine.out.append(CloseSocket())
    machine.close_at = None
    machine.socket_closed(now)


VERBS: Mapping[str, Verb] = {
    "connect": _connect,
    "linger": _linger,
    "nolinger": _nolinger,
    "myevents": _myevents,
    "event": _event,
    "noevents": _noevents,
    "getvar": _getvar,
    "api": _api,
    "bgapi": _bgapi,
    "sendmsg": _sendmsg,
    "sendevent": _sendevent,
    "resume": _resume,
    "exit": _exit,
}
