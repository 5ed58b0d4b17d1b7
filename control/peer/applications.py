"""The dialplan applications that `sendmsg … execute` finds in the peer."""

# ruff: noqa: ARG001  (handlers of one table share one signature)

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from control.peer.actions import PlayFile, StopFile
from control.peer.facts import Headers
from control.peer.variables import dialog_known, local_sdp, negotiated

if TYPE_CHECKING:
    from control.peer.machine import ChannelMachine

ANSWER_S = 0.020


def _nothing(machine: ChannelMachine, at: float) -> None:
    """What an application does at its end that takes no time."""


@dataclass
class Running:
    """An application on a channel, until `due` (monotonic seconds)."""

    name: str
    argument: str
    uuid: str
    due: float
    finish: Callable[[ChannelMachine, float], None] = field(default=_nothing)
    broken: bool = False

    def headers(self, response: str | None = None) -> Headers:
        """Application, Application-Data, Application-Response, Application-UUID: those that apply."""
        headers = [("Application", self.name)]
        if self.argument:
            headers.append(("Application-Data", self.argument))
        if response is not None:
            headers.append(("Application-Response", response))
        return [*headers, ("Application-UUID", self.uuid)]


Start = Callable[["ChannelMachine", Running, float], Running | None]
"""Begins an application; what it returns runs until it is due, None = it is done."""


def _answer(machine: ChannelMachine, app: Running, now: float) -> Running | None:
    if machine.channel.answered_us:
        machine.complete(app, now)
        return None
    return _media(machine, app, now, answer=True)


def _pre_answer(machine: ChannelMachine, app: Running, now: float) -> Running | None:
    if machine.channel.has_media:
        machine.complete(app, now)
        return None
    return _media(machine, app, now, answer=False)


def _media(machine: ChannelMachine, app: Running, now: float, *, answer: bool) -> Running:
    had_media = machine.channel.has_media
    if not had_media:
        machine.media_began(now)
    if answer:
        machine.answered(now)

    def finish(machine: ChannelMachine, at: float) -> None:
        channel = machine.channel
        if not had_media:
            negotiated(channel)
            channel.variables.put("endpoint_disposition", "EARLY MEDIA")
            channel.answer_state = "early"
            machine.event("CHANNEL_PROGRESS_MEDIA", at, [])
        channel.call_state = "EARLY"
        if answer:
            channel.variables.put("rtp_local_sdp_str", local_sdp(channel))
            channel.answer_state = "answered"
            machine.event("CHANNEL_ANSWER", at, [])
            channel.call_state = "ACTIVE"
            channel.variables.put("endpoint_disposition", "ANSWER")
        machine.complete(app, at)
        if answer:
            dialog_known(channel)

    app.due, app.finish = now + ANSWER_S, finish
    return app


def _set(machine: ChannelMachine, app: Running, now: float) -> Running | None:
    name, _, value = app.argument.partition("=")
    machine.channel.variables.put(name.strip(), value.strip())
    machine.complete(app, now)
    return None


def _unset(machine: ChannelMachine, app: Running, now: float) -> Running | None:
    machine.channel.variables.put(app.argument.strip(), "")
    machine.complete(app, now)
    return None


def _hangup(machine: ChannelMachine, app: Running, now: float) -> Running | None:
    machine.end(app.argument or "NORMAL_CLEARING")
    return None


def _sleep(machine: ChannelMachine, app: Running, now: float) -> Running | None:
    milliseconds = int(app.argument) if app.argument.isdigit() else 0
    app.due = now + milliseconds / 1000
    app.finish = lambda machine, at: machine.complete(app, at)
    return app


def _playback(machine: ChannelMachine, app: Running, now: float) -> Running | None:
    """Ends unicast in this park, whether the file exists or not is another matter."""
    seconds = machine.files.get(app.argument)
    machine.channel.variables.put("current_application", "playback")
    if seconds is None:
        machine.channel.variables.put("current_application_response", "FILE NOT FOUND")
        machine.complete(app, now, "FILE NOT FOUND")
        return None
    machine.spoil_unicast("playback")
    machine.event("PLAYBACK_START", now, [("Playback-File-Path", app.argument)])
    machine.out.append(PlayFile(app.argument))

    def finish(machine: ChannelMachine, at: float) -> None:
        variables = machine.channel.variables
        samples = int((seconds if not app.broken else at - now) * machine.channel.codec.sample_rate)
        played = {"last_offset_pos": samples, "seconds": int(seconds), "ms": int(seconds * 1000), "samples": samples}
        variables.update({f"playback_{name}": str(value) for name, value in played.items()})
        machine.out.append(StopFile())
        status = ("Playback-Status", "break" if app.broken else "done")
        machine.event("PLAYBACK_STOP", at, [("Playback-File-Path", app.argument), status])
        variables.put("current_application_response", "FILE PLAYED")
        machine.complete(app, at, "FILE PLAYED")

    app.due, app.finish = now + seconds, finish
    return app


def _done(machine: ChannelMachine, app: Running, now: float) -> Running | None:
    """Applications that neither take time nor touch what the peer shows."""
    machine.complete(app, now)
    return None


APPLICATIONS: Mapping[str, Start] = {
    "answer": _answer,
    "pre_answer": _pre_answer,
    "set": _set,
    "export": _set,
    "unset": _unset,
    "hangup": _hangup,
    "sleep": _sleep,
    "playback": _playback,
    "log": _done,
    "record_session": _done,
    "stop_record_session": _done,
}
"""By name. Any other hangs the call up with DESTINATION_OUT_OF_ORDER, as in FreeSWITCH."""
