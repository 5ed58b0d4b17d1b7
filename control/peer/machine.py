"""One channel inside `socket host:port async full`, as a pure machine: bytes, ticks and the caller's doings in, actions
out. It also does what FreeSWITCH does to a service that gives a deadly order: it dies (`SwitchCrashed`).
"""

from collections import deque
from collections.abc import Callable, Mapping
from uuid import uuid4

from control.peer import endings, esl
from control.peer.actions import Action, Answered, CloseSocket, CloseUnicast, EndedBy, OpenUnicast, Send
from control.peer.applications import APPLICATIONS, Running
from control.peer.bugs import MediaBugs
from control.peer.commands import obey
from control.peer.facts import Channel, Headers
from control.peer.legs import Callees, Legs
from control.peer.result import SwitchCrashed

CONNECT_LIMIT_S = 25.0
"""So long FreeSWITCH waits for `connect` (built in)."""
HALF_A_TICK_S = 0.010
"""An application ends with the tick that is nearest: files follow each other without a gap."""
TEXT = "atende::text"
"""What the service listens for to have texts, where no media module has them."""
ONE_LOOP = {"current_loop": "1", "total_loops": "1"}
"""Variables that are there while an order is carried out."""


class ChannelMachine:
    """Plays the channel. Call `tick` every 20 ms; do the actions that each call returns, in order.

    The attributes without underscore are for the modules that carry out commands, applications and endings.

    Args:
        wall_us: monotonic seconds → microseconds since 1970.
        socket: the data of the `socket` application.
        files: what `playback` finds: path → seconds.
        callees: who can be called beside.

    `receive`, `tick` and `caller_hangs_up` raise SwitchCrashed when an order was a deadly one.
    """

    def __init__(
        self,
        channel: Channel,
        writer: esl.EventWriter,
        wall_us: Callable[[float], int],
        *,
        socket: str,
        files: Mapping[str, float],
        callees: Callees | None = None,
    ) -> None:
        self.channel = channel
        self.writer = writer
        self.wall_us = wall_us
        self.files = dict(files)
        self.bugs = MediaBugs(self)
        self.legs = Legs(self, callees or {})
        self.hazards: list[str] = []
        self.out: list[Action] = []
        self.keys_heard = ""
        """What the service sent to the caller as keys."""
        self._socket = socket
        self._begin_park()

    def _begin_park(self) -> None:
        self._reader = esl.CommandReader()
        self._opened_at: float | None = None
        self._has_parked = False
        self._destination: str | None = None
        self._unicast_live = False
        self.queue: deque[esl.Command] = deque()
        self.subscribed: frozenset[str] = frozenset()
        self.running: Running | None = None
        self.park = ("socket", self._socket, str(uuid4()))
        self.is_connected = False
        self.leaving = False
        """The socket has ended; the dialplan goes on with the next tick."""
        self.over = False
        """The channel has gone, or has left this socket."""
        self.linger_s: int | None = None
        self.close_at: float | None = None
        self.ending: tuple[str, EndedBy] | None = None
        self.last_response = "_none_"
        self.last_app = ("socket", self._socket)
        self.unicast_spoiled = False
        self.writes_silence = self.channel.has_media and self._sends_silence()
        """The park writes to the channel: without that a fork is not heard. Read once, when media is first ready."""

    # What the outside does

    def opened(self, now: float) -> None:
        """The TCP connection stands; the 25 s for `connect` run."""
        self._opened_at = now

    def receive(self, data: bytes, now: float) -> list[Action]:
        """Bytes of the service."""
        for command in self._reader.feed(data):
            obey(self, command, now)
        return self._take()

    def tick(self, now: float) -> list[Action]:
        """20 ms of the park loop: what was queued is done now."""
        self.legs.tick(now)
        if self.ending is not None and not self.over and self.bugs.end():
            return self._take()
        if self.over:
            if self.close_at is not None and now >= self.close_at:
                self.close_at = None
                self.send(esl.disconnect_notice(self.channel))
                self.out.append(CloseSocket())
        elif self.leaving and self._goes_elsewhere:
            endings.transfer(self, self._destination or "", now)
        elif self.leaving:
            endings.leave(self, now)
        elif self.is_connected and not self.legs.bridged:
            self._park_loop(now)
        elif self.ending is not None:
            endings.hang_up(self, now)
        elif self._opened_at is not None and not self.legs.bridged and now - self._opened_at >= CONNECT_LIMIT_S:
            self.out.append(CloseSocket())
            endings.leave(self, now)
        return self._take()

    def digit(self, digit: str, now: float) -> list[Action]:
        """The caller pressed a key for 160 ms."""
        self.channel.digits += digit
        self.event("DTMF", now, [("DTMF-Digit", digit), ("DTMF-Duration", "1280"), ("DTMF-Source", "RTP")])
        if digit in (self.channel.variables.get("playback_terminators") or "*"):
            self.stop_playback(now, everything=False)
        return self._take()

    def other_plays(self, file: str) -> list[Action]:
        """Somebody else's client of the event socket has the channel play a file."""
        play = {"call-command": "execute", "execute-app-name": "playback", "execute-app-arg": file}
        self.queue.append(esl.Command(f"sendmsg {self.channel.uuid}", play))
        return self._take()

    def other_bridges(self, talks_s: float, now: float) -> list[Action]:
        """Somebody else's client connects the channel with a person."""
        self.legs.other_bridges(talks_s, now)
        return self._take()

    def caller_hangs_up(self) -> None:
        """BYE or CANCEL; takes effect with the next tick."""
        orders = [command for command in self.queue if command.headers.get("call-command") == "unicast"]
        answering = self.running is not None and self.running.name == "answer"
        answering = answering or any(command.headers.get("execute-app-name") == "answer" for command in self.queue)
        if answering and any("native" not in order.headers.get("flags", "") for order in orders):
            raise SwitchCrashed(
                "`answer` and `unicast` without `native` pipelined while the caller cancels: segmentation fault in "
                "switch_ivr_activate_unicast. Send `unicast` only after CHANNEL_ANSWER."
            )
        if self.ending is None:
            self.ending = ("NORMAL_CLEARING" if self.channel.answered_us else "ORIGINATOR_CANCEL", "caller")

    def socket_closed(self, now: float) -> None:
        """The service closed the connection, or it broke."""
        stuck = not self.is_connected and self.channel.variables.get("socket_resume") != "true"
        if self.legs.bridged:
            self._let_go_while_bridged()
            return
        if self._goes_elsewhere and self.channel.variables.get("socket_resume") == "true":
            fetched = "the socket was let go under socket_resume after a transfer: it fetched the caller back"
            self.hazards += [] if fetched in self.hazards else [fetched]
        self.leaving = not self.over and not stuck
        self.subscribed = frozenset()

    @property
    def _goes_elsewhere(self) -> bool:
        """`uuid_transfer` took the channel away, or will with the next tick."""
        return self._destination is not None and not self._destination.startswith("park")

    def _let_go_while_bridged(self) -> None:
        """They talk on, unless the socket was to be resumed: then this cuts them apart."""
        self.subscribed = frozenset()
        if self.channel.variables.get("socket_resume") == "true":
            self.hazards.append("the socket was let go under socket_resume during a bridge: it cut the two apart")
            self.leaving = True

    def unicast_failed(self) -> None:
        """The order's local address could not be bound: `+OK` was said, nothing comes, the park may try again."""
        self._unicast_live = False

    def reenter(self, now: float) -> None:
        """`door_again`: the dialplan runs its socket anew on the same channel."""
        endings.enter_again(self, self._socket, now)
        self._begin_park()
        self.writes_silence = self.channel.has_media and self._sends_silence()

    # The park loop

    def _park_loop(self, now: float) -> None:
        if not self._has_parked:
            self._has_parked = True
            self.event("CHANNEL_PARK", now, [])
        if self.ending is None and self._destination is not None:
            destination = self._destination
            if not self._goes_elsewhere:
                self._destination = None
            endings.transfer(self, destination, now)
        if self.running is not None and self.ending is None and now >= self.running.due - HALF_A_TICK_S:
            running, self.running = self.running, None
            running.finish(self, now)
        while self.queue and self.running is None and self.ending is None and not self.over:
            self._perform(self.queue.popleft(), now)
        if self.ending is not None and not self.over:
            endings.hang_up(self, now)

    def _perform(self, command: esl.Command, now: float) -> None:
        match command.headers.get("call-command", ""):
            case "execute":
                self.execute(command, now)
            case "unicast":
                self._unicast(command)
            case "hangup":
                self.end(command.headers.get("hangup-cause") or "NORMAL_CLEARING")
            case _:
                pass  # FreeSWITCH has said +OK and does nothing

    def _unicast(self, command: esl.Command) -> None:
        if not self.channel.has_media:
            raise SwitchCrashed(
                "`unicast` on a call without media: assertion `read_frame` in switch_ivr_park. Send it only after "
                "CHANNEL_ANSWER."
            )
        if self.unicast_spoiled:
            return  # "Shutting down unicast connection" within 40 ms: nothing comes
        headers, leaks = command.headers, self._unicast_live
        if leaks:
            self.hazards.append("a second `unicast` while the first still runs")
        self._unicast_live = True
        local = (headers.get("local-ip", "127.0.0.1"), _port(headers.get("local-port")))
        remote = (headers.get("remote-ip", "127.0.0.1"), _port(headers.get("remote-port")))
        muted = self._sends_silence()
        native = "native" in headers.get("flags", "")
        self.out.append(OpenUnicast(local, remote, native=native, muted=muted, leaks=leaks))

    def _sends_silence(self) -> bool:
        return (self.channel.variables.get("send_silence_when_idle") or "0") not in {"0", "false"}

    def written(self, text: str, now: float) -> list[Action]:
        """Another client of the event socket, or a script, writes into the call (read in source, not observed)."""
        if self.hears(TEXT):
            self.event("CUSTOM", now, [("Event-Subclass", TEXT)], text)
        return self._take()

    # The modules tell

    def fork_told(self, what: str, now: float, body: str = "") -> list[Action]:
        """mod_audio_fork tells of its socket, or of a message."""
        self.bugs.fork_told(what, now, body)
        return self._take()

    def stream_told(self, what: str, body: str, now: float) -> list[Action]:
        """mod_audio_stream tells of its socket, or of a file."""
        self.bugs.stream_told(what, body, now)
        return self._take()

    # What commands, applications and endings do to the channel

    def execute(self, command: esl.Command, now: float) -> None:
        """Begins an application; an unknown one hangs the call up, as in FreeSWITCH."""
        name, argument = command.headers.get("execute-app-name", ""), command.headers.get("execute-app-arg", "")
        variables, start = self.channel.variables, APPLICATIONS.get(name)
        if start is None:
            variables.put("app_uuid", command.headers.get("event-uuid", ""))
            variables.update(ONE_LOOP)
            self.end("DESTINATION_OUT_OF_ORDER")
            return
        variables.update(ONE_LOOP)
        variables.put("current_application", name)
        variables.put("current_application_data", argument)
        self.last_app = (name, argument)
        application = Running(name, argument, command.headers.get("event-uuid") or str(uuid4()), now)
        self.event("CHANNEL_EXECUTE", now, application.headers())
        self.running = start(self, application, now)

    def complete(self, application: Running, now: float, response: str = "_none_") -> None:
        """CHANNEL_EXECUTE_COMPLETE."""
        self.last_response = response
        self.event("CHANNEL_EXECUTE_COMPLETE", now, application.headers(response))
        for name in ONE_LOOP:
            self.channel.variables.put(name, "")

    def end(self, cause: str) -> None:
        """The service wants the call to end; done in this tick or the next."""
        if self.ending is None:
            self.ending = (cause, "service")

    def answered(self, now: float) -> None:
        """The caller has got 200 OK."""
        self.channel.answered_us = self.wall_us(now)
        self.out.append(Answered())

    def media_began(self, now: float) -> None:
        """From now on there is a read codec."""
        self.writes_silence = self._sends_silence()
        self.channel.media_us = self.wall_us(now)

    def spoil_unicast(self, reason: str) -> None:
        """`playback` and the like end the stream, for good in this park."""
        self.unicast_spoiled = True
        if self._unicast_live:
            self._unicast_live = False
            self.out.append(CloseUnicast(reason))
        if reason == "hang-up":
            self.bugs.end()

    def stop_playback(self, now: float, *, everything: bool) -> None:
        """`uuid_break`: the running file ends; with `everything` the queued ones are gone too, without events."""
        if everything:
            rest = (command for command in self.queue if command.headers.get("execute-app-name") != "playback")
            self.queue = deque(rest)
        if self.running is not None and self.running.name == "playback":
            running, self.running = self.running, None
            running.broken = True
            running.finish(self, now)

    def transfer(self, destination: str, now: float) -> None:
        """`uuid_transfer`; the park notices with the next tick."""
        endings.note_transfer(self, destination, now)
        self._destination = destination

    def hears(self, name: str) -> bool:
        """Whether the service listens for an event (of CUSTOM: for any)."""
        return name in self.subscribed or "ALL" in self.subscribed

    def event(self, name: str, now: float, extra: Headers, body: str = "") -> None:
        """Sends an event if the service listens for it."""
        if self.hears(name):
            self.out.append(Send(self.writer.event(name, self.channel, self.wall_us(now), extra, body)))

    def send(self, data: bytes) -> None:
        """Bytes for the service."""
        self.out.append(Send((data,)))

    def reply(self, text: str) -> None:
        """A `command/reply`."""
        self.send(esl.reply(text))

    def _take(self) -> list[Action]:
        out, self.out = self.out, []
        return out


def _port(text: str | None) -> int:
    return int(text) if text is not None and text.isdigit() else 0
