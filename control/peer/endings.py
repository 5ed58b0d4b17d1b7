"""How a channel leaves its park: by a hang-up, by the end of the socket, or by a transfer."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import uuid4

from control.peer import esl
from control.peer.actions import CloseSocket, HungUp, Transferred, WentOn
from control.peer.applications import Running
from control.peer.variables import detail_record, enter_door

if TYPE_CHECKING:
    from control.peer.machine import ChannelMachine


def hang_up(machine: ChannelMachine, now: float) -> None:
    """CHANNEL_HANGUP to the disconnect notice, and the end of the channel."""
    assert machine.ending is not None
    cause, by = machine.ending
    channel, variables = machine.channel, machine.channel.variables
    channel.cause, channel.answer_state, channel.state_number = cause, "hangup", 10
    answered = channel.answered_us != 0
    if by == "caller":
        status = "200" if answered else "487"
        variables.update({"sip_term_status": status, "proto_specific_hangup_cause": f"sip:{status}"})
        variables.put("sip_term_cause", "16" if answered else "487")
    machine.event("CHANNEL_HANGUP", now, [])
    for name in ("current_loop", "total_loops"):
        variables.put(name, "")
    if by == "caller":
        variables.put("sip_user_agent", variables.get("sip_user_agent") or "")
        variables.put("sip_hangup_disposition", "recv_bye" if answered else "recv_cancel")
    _unpark(machine, now)
    channel.state = "CS_HANGUP"
    machine.event("CHANNEL_STATE", now, [])
    channel.state, channel.state_number, channel.call_state = "CS_REPORTING", 11, "HANGUP"
    machine.event("CHANNEL_STATE", now, [])
    detail_record(channel, machine.wall_us(now), machine.last_app, "send_bye" if answered else "send_refuse")
    machine.event("CHANNEL_HANGUP_COMPLETE", now, [])
    machine.over = True
    machine.legs.caller_gone()
    machine.spoil_unicast("hang-up")
    machine.out.append(HungUp(cause, by))
    machine.send(esl.disconnect_notice(channel, machine.linger_s))
    if machine.linger_s is None:
        machine.out.append(CloseSocket())
    else:
        machine.close_at = now + machine.linger_s


def leave(machine: ChannelMachine, now: float) -> None:
    """The socket has ended: queued `set` and hang-ups run still, then the dialplan goes on where nothing ended it."""
    machine.running = None
    for command in machine.queue:
        if command.headers.get("execute-app-name") in {"set", "unset"}:
            machine.execute(command, now)
        elif command.headers.get("call-command") == "hangup":
            machine.end(command.headers.get("hangup-cause") or "NORMAL_CLEARING")
    machine.queue.clear()
    machine.over, machine.leaving = True, False
    machine.spoil_unicast("the socket ended")
    if machine.ending is not None:
        machine.channel.cause, by = machine.ending
        machine.out.append(HungUp(machine.channel.cause, by))
    else:
        machine.out.append(WentOn(machine.channel.variables.get("door") or ""))


def transfer(machine: ChannelMachine, destination: str, now: float) -> None:
    """`park inline` begins a new park on the same socket; anything else takes the channel away."""
    machine.running = None
    machine.channel.state_number = 2
    _unpark(machine, now)
    machine.spoil_unicast("transfer")
    if destination.split(maxsplit=1)[0] != "park":
        machine.over, machine.leaving = True, False
        if machine.bugs.end():
            machine.hazards.append("a media bug that survives the transfer goes on listening")
        machine.out.append(Transferred(destination))
        return
    channel, variables = machine.channel, machine.channel.variables
    if variables.get("socket_resume") == "true":
        machine.hazards.append("`uuid_transfer … park` under socket_resume: the call freezes when the service goes")
    channel.state, channel.call_state = "CS_ROUTING", "RINGING"
    machine.event("CHANNEL_STATE", now, [])
    channel.rdnis = ""
    channel.state, channel.state_number, channel.call_state = "CS_EXECUTE", 4, "ACTIVE"
    machine.event("CHANNEL_STATE", now, [])
    machine.park = ("park", "", str(uuid4()))
    machine.last_app, machine.last_response = ("park", ""), "_none_"
    for name in ("current_application_data", "current_application_response"):
        variables.put(name, "")
    variables.update({"call_uuid": channel.uuid, "current_application": "park"})
    machine.event("CHANNEL_EXECUTE", now, Running("park", "", machine.park[2], now).headers())
    machine.event("CHANNEL_PARK", now, [])
    machine.unicast_spoiled = False


def note_transfer(machine: ChannelMachine, destination: str, now: float) -> None:
    """What `uuid_transfer` and the dialplan's `transfer` write into the channel at once."""
    channel, now_us = machine.channel, machine.wall_us(now)
    target = destination.replace(" inline", f"/{channel.dialed.context}/inline")
    target = target.replace(f" XML {channel.dialed.context}", f"/{channel.dialed.context}/XML")
    source = f"{now_us // 1_000_000}:{uuid4()}:bl_xfer:{target}"
    channel.transfer_source = source
    channel.rdnis = channel.rdnis or channel.dialed.number
    channel.profile_index, channel.profile_us = channel.profile_index + 1, now_us
    variables = channel.variables
    for name in ("current_loop", "total_loops"):
        variables.put(name, "")
    hops = int(variables.get("max_forwards") or 70) - 1
    variables.update({"max_forwards": str(hops), "transfer_history": source, "transfer_source": source})


def enter_again(machine: ChannelMachine, socket: str, now: float) -> None:
    """`door_again`: what the dialplan does to the channel until its socket is open anew."""
    channel, variables = machine.channel, machine.channel.variables
    destination = f"door_again XML {channel.dialed.context}"
    note_transfer(machine, destination, now)
    channel.destination = "door_again"
    variables.put("current_application_response", "")
    variables.put("call_uuid", channel.uuid)
    enter_door(variables, socket)


def _unpark(machine: ChannelMachine, now: float) -> None:
    machine.event("CHANNEL_UNPARK", now, [])
    name, data, uuid = machine.park
    machine.event("CHANNEL_EXECUTE_COMPLETE", now, Running(name, data, uuid, now).headers(machine.last_response))
