"""The two machines of the event socket against a switch that answers what they say, mostly."""

import re
from collections import deque
from collections.abc import Iterator
from random import Random
from typing import Final

from base.ids import CallId
from base.secret import Secret
from benchmarks.fuzzer import grammar, recorded
from benchmarks.fuzzer.codec import Pieces, require
from benchmarks.fuzzer.mutate import mutated
from transports.freeswitch.door_events import DoorEvent
from transports.freeswitch.door_legs import LegWish
from transports.freeswitch.errors import LocalProtocolError, RemoteProtocolError
from transports.freeswitch.esl import MAX_BODY_BYTES
from transports.freeswitch.esl_door import DoorMachine
from transports.freeswitch.esl_switch import Answer, Over, SwitchMachine
from transports.freeswitch.esl_switch_commands import (
    Auth,
    CallExists,
    Events,
    Kill,
    Leave,
    Originate,
    SwitchCommand,
    SwitchEvent,
    Version,
)
from transports.freeswitch.esl_switch_encoding import answered_by_api, encode_switch
from transports.freeswitch.unicast_guard import NoDatagrams
from transports.freeswitch.words import Device, Disconnected, DoorName, HangupCause, Note, Route

MAX_SAID_BYTES: Final = 4096
"""What a machine may have to say after one feed."""
_SAID: Final = re.compile(
    rb"(?:(?:connect|myevents|exit|linger \d|event plain [\w: ]+"
    rb"|sendmsg\ncall-command: execute\nexecute-app-name: (?:answer|set\nexecute-app-arg: door=\w+)\nevent-lock: true"
    rb"|sendmsg\ncall-command: hangup\nhangup-cause: [A-Z_]+"
    rb"|sendmsg\ncall-command: unicast\n(?:(?:local|remote)-(?:ip|port): [\d.]+\n){4}transport: udp"
    rb"|sendmsg\ncall-command: execute\nexecute-app-name: playback\nexecute-app-arg: /t/x_0\.tmp\.r8\nevent-lock: true"
    rb"|api uuid_setvar [\w.-]+ (?:door \w+|send_silence_when_idle -1|playback_terminators none)"
    rb"|api uuid_audio_stream [\w.-]+ (?:stop|start ws://127\.0\.0\.1/media/x mono (?:8|16)k)"
    rb"|api uuid_break [\w.-]+ all"
    rb"|bgapi originate \{[^{}\n]*\}user/200@x\.example &park\(\)\nJob-UUID: leg"
    rb"|api uuid_kill leg [A-Z_]+|api uuid_bridge [\w.-]+ leg|api uuid_send_dtmf [\w.-]+ 12#"
    rb"|api uuid_setvar_multi [\w.-]+ (?:socket_resume=(?:true|false(?:;hangup_after_bridge=true)?)|atende_outcome=\w+)"
    rb"|api uuid_transfer [\w.-]+ 300 XML x\.example"
    rb"|api uuid_audio_fork [\w.-]+ (?:stop|start ws://127\.0\.0\.1/media/x mono \d+k audio_fork"
    rb' \{"call":"[\w.-]+"\} true true \d+))\n\n'
    rb"|sendevent CUSTOM\nEvent-Subclass: atende::text-out\nUnique-ID: [\w.-]+\nContent-Length: 52\n\n"
    rb'\{"type":"json","data":\{"text":"ol\xc3\xa1 connect: exit"\}\})'
)
"""All that may ever be said at the door, whatever came in."""
_MEDIA: Final = re.compile(rb"unicast\n|uuid_audio_(?:fork|stream) \S+ start")


class _Talk:
    """The far end of a machine: answers, events, and every now and then nonsense."""

    def __init__(self, chance: Random) -> None:
        self.chance: Final = chance
        self.answers: deque[bytes] = deque()
        self.sent = bytearray()
        self._pieces = Pieces(chance)
        self._left = int(chance.random() ** 2 * 11) + 3
        self._orderly = chance.random() < 0.6

    def next(self) -> bytes | None:
        """The next chunk of the stream."""
        piece = self._pieces.take()
        while piece is None:
            if not self._left:
                return None
            self._left -= 1
            self._pieces.put(self._message())
            piece = self._pieces.take()
        self.sent += piece
        return piece

    def _message(self) -> bytes:
        chance = self.chance
        if self.answers and chance.random() < 0.8:
            said = self.answers.popleft()
        elif chance.random() < 0.01:
            said = chance.choice(recorded.esl_messages())
        else:
            said = grammar.event(chance) if self._orderly or chance.random() < 0.8 else grammar.message(chance)
        return said if self._orderly or chance.random() < 0.85 else mutated(chance, said, recorded.short_esl_messages())


class DoorCodec:
    """`DoorMachine`, with wishes made between the feeds: nothing but its own sentences ever leaves it."""

    name: Final = "door"
    most_buffered_bytes: Final = MAX_BODY_BYTES + MAX_SAID_BYTES
    refuses_with: Final = (RemoteProtocolError,)

    def start(self, chance: Random) -> "_Door":
        return _Door(chance)


class _Door:
    def __init__(self, chance: Random) -> None:
        self._chance = chance
        self._talk = _Talk(chance)
        self._machine = DoorMachine()
        self._events: list[DoorEvent] = []
        self._port = 40001
        self._machine.greet()

    def next(self) -> bytes | None:
        if self._chance.random() < 0.5:
            self._wish()
        self._listen()
        return self._talk.next()

    def feed(self, data: bytes) -> int:
        events = self._machine.receive(data)
        self._events += events
        return len(events)

    @property
    def buffered_bytes(self) -> int:
        return self._machine.buffered_bytes

    def finish(self, refused: Exception | None) -> str:
        last = self._machine.receive_eof("over")
        self._events += last
        gone = [event for event in self._events if isinstance(event, Disconnected)]
        require(len(gone) == 1 and self._events[-1] == gone[0], "not one Disconnected, and that the last")
        require(self._machine.receive_eof() == [] and self._machine.data_to_send() == b"", "it goes on after the end")
        require(not self._machine.live and self._machine.over, "it lives after the end")
        return f"{min(len(self._events), 6)} events"

    def _wish(self) -> None:
        """Something that a call may want. The machine refuses what is not its time."""
        machine, chance = self._machine, self._chance
        try:
            match int(chance.random() * 26):
                case 0 | 1 | 2 | 3:
                    machine.answer()
                case 4 | 5 | 6:
                    evidence = NoDatagrams(self._port, 1.0) if chance.random() < 0.3 else None
                    self._port += 2
                    machine.media.unicast(("127.0.0.1", self._port), ("127.0.0.1", self._port - 1), evidence)
                case 7 | 8:
                    machine.media.prepare_fork()
                case 9 | 10 | 11:
                    machine.media.fork("ws://127.0.0.1/media/x")
                case 12:
                    machine.media.datagram_heard()
                case 13 | 14 if chance.random() < 0.5:
                    machine.give_back(chance.choice(tuple(DoorName)))
                case 15 if chance.random() < 0.3:
                    machine.hang_up(HangupCause.NORMAL_CLEARING)
                case other if other > 15:
                    self._wish_more(other)
        except LocalProtocolError:
            pass

    def _wish_more(self, wish: int) -> None:
        machine = self._machine
        match wish:
            case 16 | 17:
                machine.media.stream("ws://127.0.0.1/media/x")
            case 18:
                machine.media.play("/t/x_0.tmp.r8")
            case 19:
                machine.media.break_all()
            case 20 | 21:
                machine.reach(LegWish(leg_id=CallId("leg"), destination=Device("200", "x.example")))
            case 22:
                machine.send_digits("12#")
            case 24:
                machine.send_text("olá\n\nconnect: exit")
            case 25:
                machine.note({Note.OUTCOME: self._chance.choice(("talking", "a;door=again", "a\n\nexit"))})
            case _ if self._chance.random() < 0.5:
                machine.join()
            case _ if self._chance.random() < 0.2:
                machine.transfer(Route("300", "x.example"))
            case _:
                machine.drop_leg()

    def _listen(self) -> None:
        """What the machine says now, checked and answered."""
        said = self._machine.data_to_send()
        require(len(said) <= MAX_SAID_BYTES, f"{len(said)} bytes said at once")
        for command in _commands(said):
            require(_SAID.fullmatch(command) is not None, f"said: {command!r}")
            sent = self._talk.sent
            if _MEDIA.search(command):
                require(b"CHANNEL_ANSWER" in sent or b"answered" in sent, "media before there was an answer")
            self._talk.answers.append(self._answer(command))

    def _answer(self, command: bytes) -> bytes:
        if command == b"connect\n\n":
            return grammar.hello(self._chance)
        ok = self._chance.random() < (0.99 if command.startswith((b"myevents", b"event")) else 0.85)
        text = "+OK" if ok else "-ERR no"
        return grammar.response(f"{text}\n") if command.startswith(b"api ") else grammar.reply(text)


def _commands(said: bytes) -> Iterator[bytes]:
    """Command by command; a body belongs to the one that announces it."""
    while said:
        head, _, said = said.partition(b"\n\n")
        announced = re.search(rb"\nContent-Length: (\d+)$", head)
        size = int(announced[1]) if announced is not None else 0
        yield head + b"\n\n" + said[:size]
        said = said[size:]


class SwitchCodec:
    """`SwitchMachine`, with commands asked between the feeds: each answer belongs to a command that was asked."""

    name: Final = "switch"
    most_buffered_bytes: Final = MAX_BODY_BYTES + MAX_SAID_BYTES
    refuses_with: Final = (RemoteProtocolError,)

    def start(self, chance: Random) -> "_Switch":
        return _Switch(chance)


class _Switch:
    def __init__(self, chance: Random) -> None:
        self._chance = chance
        self._talk = _Talk(chance)
        self._machine = SwitchMachine(Auth(Secret("ClueCon")))
        self._asked: dict[int, SwitchCommand] = {}
        self._due = b""
        self._over = 0
        self._talk.answers.append(b"Content-Type: auth/request\n\n")

    def next(self) -> bytes | None:
        if self._machine.ready and self._chance.random() < 0.6:
            self._ask()
        said = self._machine.data_to_send()
        if said.startswith(b"auth ClueCon\n\n"):
            self._talk.answers.append(grammar.reply("+OK accepted" if self._chance.random() < 0.9 else "-ERR invalid"))
            said = said.removeprefix(b"auth ClueCon\n\n")
        require(said == self._due or said == b"", "something was said that nobody asked")
        self._due = b""
        return self._talk.next()

    def feed(self, data: bytes) -> int:
        news = self._machine.receive(data)
        for item in news:
            if isinstance(item, Answer):
                require(self._asked.pop(item.ticket, None) is not None, "an answer to nothing")
            self._over += isinstance(item, Over)
        return len(news)

    @property
    def buffered_bytes(self) -> int:
        return self._machine.buffered_bytes

    def finish(self, refused: Exception | None) -> str:
        self._over += len(self._machine.receive_eof())
        require(self._over == 1, f"it ended {self._over} times")
        require(self._machine.receive_eof() == [] and self._machine.data_to_send() == b"", "it goes on after the end")
        return "commands answered" if not self._asked else "commands unanswered"

    def _ask(self) -> None:
        call = CallId(grammar.CALL_ID)
        command: SwitchCommand = self._chance.choice(
            (
                Version(),
                CallExists(call),
                Kill(call, HangupCause.USER_BUSY),
                Events("plain", (SwitchEvent.DTMF,)),
                Originate(job_id="job-1", call_id=call, destination=Device("1001", "example.net")),
                Originate(job_id="job-2", call_id=call, destination=Device("1002", "example.net")),
                Leave(),
            )
        )
        self._asked[self._machine.ask(command)] = command
        self._due += encode_switch(command)
        text = "+OK" if self._chance.random() < 0.9 else "-ERR no"
        self._talk.answers.append(grammar.response(text) if answered_by_api(command) else grammar.reply(text))
