"""A second leg beside the caller's: called, then joined to it or dropped. Pure; the third part of `DoorMachine`.

The caller stays with us until a person has answered: nothing of his call is touched before. What becomes of both when
we die (FreeSWITCH 1.11.2):

- while it rings: the caller goes on in the dialplan (`door_failed`); the leg rings out, or is parked when somebody
  answers, and hung up after `PARK_TIMEOUT_S`;
- between the answer and the bridge: the same;
- while they talk: they talk on, since `socket_resume` was taken off ahead of the bridge; afterwards the caller is hung
  up, or comes back through the door, as was asked.

A leg rings on when its caller hangs up; so it is killed from here, over the lingering socket. The switch makes a leg's
channel some time after it was asked to: one that is given up before is killed once more when its job says that somebody
has answered, and the socket is held until the job has said anything.
"""

from collections.abc import Callable
from enum import Enum, auto
from typing import Final

from msgspec import Struct

from base.ids import CallId
from transports.freeswitch.door_events import DoorEvent, LegAnswered, LegEnded
from transports.freeswitch.errors import LocalProtocolError
from transports.freeswitch.esl import Event
from transports.freeswitch.esl_commands import Command, Linger, Unset
from transports.freeswitch.esl_switch_commands import Bridge, Kill, Originate, SetVariables
from transports.freeswitch.esl_switch_encoding import encode_switch
from transports.freeswitch.esl_values import Variable, back_through_the_door, shown, truth
from transports.freeswitch.words import Device, HangupCause, Hello, Route

PARK_TIMEOUT_S: Final = 30
"""An answered leg that nobody joins is hung up by the switch."""
LINGER_S: Final = 5
"""So long the socket takes commands after the caller has gone."""


class _State(Enum):
    NONE = auto()
    RINGING = auto()
    ANSWERED = auto()
    JOINING = auto()


class LegWish(Struct, frozen=True, kw_only=True):
    """Whom to call."""

    leg_id: CallId
    """Of the new channel; ours to choose, a UUID."""
    destination: Device | Route
    ring_s: int = 25


class DoorLegs:
    """At most one leg at a time. `say` sends a command."""

    def __init__(self, say: Callable[[Command], None]) -> None:
        self._say = say
        self._state = _State.NONE
        self._leg_id = CallId("")
        self._given_up: set[CallId] = set()
        self._lingers = False
        self._comes_back = False
        self._before = ""
        """What the dialplan had set `hangup_after_bridge` to."""

    @property
    def present(self) -> CallId | None:
        """The leg that there is, whatever becomes of it."""
        return None if self._state is _State.NONE else self._leg_id

    @property
    def joining(self) -> bool:
        """Whether the caller is being connected: nothing of his audio is ours any more."""
        return self._state is _State.JOINING

    @property
    def lingers(self) -> bool:
        """Whether the socket outlives the call, and has to be let go."""
        return self._lingers

    @property
    def settled(self) -> bool:
        """Whether the job of every leg that was given up has said what became of it."""
        return not self._given_up

    def reach(self, wish: LegWish, hello: Hello) -> None:
        """Call somebody, who is shown the caller.

        Raises LocalProtocolError when a leg is there already, or for what cannot be dialled; nothing was said then.
        """
        if self._state is not _State.NONE:
            raise LocalProtocolError("a second leg is there already")
        number, name = shown(hello.caller_number), shown(hello.caller_name)
        variables = (
            (Variable.IGNORE_EARLY_MEDIA, "true"),
            (Variable.HANGUP_AFTER_BRIDGE, "true"),
            (Variable.PARK_TIMEOUT, str(PARK_TIMEOUT_S)),
            *(((Variable.CALLER_NAME, name),) if name else ()),
            *(((Variable.CALLER_NUMBER, number),) if number else ()),
            (Variable.CALL, hello.call_id),
        )
        # The job's id is the leg's: there is one job for each.
        originate = Originate(
            job_id=wish.leg_id,
            call_id=wish.leg_id,
            destination=wish.destination,
            variables=variables,
            timeout_s=wish.ring_s,
        )
        encode_switch(originate)
        if not self._lingers:
            self._lingers = True
            self._say(Linger(LINGER_S))
        self._say(originate)
        self._state, self._leg_id = _State.RINGING, wish.leg_id

    def drop(self) -> None:
        """Hang the leg up, ringing, answered or being joined; nothing happens without one."""
        if self._state is _State.NONE:
            return
        ringing = self._state is _State.RINGING
        self._say(Kill(self._leg_id, HangupCause.ORIGINATOR_CANCEL if ringing else HangupCause.NORMAL_CLEARING))
        if ringing:
            self._given_up.add(self._leg_id)
        self._state = _State.NONE

    def check_answered(self) -> None:
        """Raises LocalProtocolError when there is nobody to join."""
        if self._state is not _State.ANSWERED:
            raise LocalProtocolError("nobody has answered")

    def join(self, hello: Hello, back_to: str | None) -> None:
        """Connect both. Raises LocalProtocolError when there is nobody, or `back_to` is no context."""
        self.check_answered()
        self._before = hello.variables.get(Variable.HANGUP_AFTER_BRIDGE.value, "")
        after = (Variable.HANGUP_AFTER_BRIDGE, "true")
        back = () if back_to is None else (back_through_the_door(back_to),)
        self._comes_back = bool(back)
        if back:
            after = (Variable.HANGUP_AFTER_BRIDGE, "false")
        # Ahead of the bridge: with it our leaving would cut the two apart.
        self._say(SetVariables(hello.call_id, ((Variable.SOCKET_RESUME, "false"), after, *back)))
        self._say(Bridge(hello.call_id, self._leg_id))
        self._state = _State.JOINING

    def replied(self, command: Command, text: str, *, ok: bool, call_id: CallId) -> tuple[bool, list[DoorEvent]]:
        """Whether both are connected now, and what to tell."""
        if isinstance(command, Originate) and not ok:
            self._given_up.discard(command.call_id)
            return False, self._ended(text) if command.call_id == self._leg_id else []
        if isinstance(command, Bridge):
            if ok and self._state is _State.JOINING:
                return True, []
            # One of the two has gone meanwhile. The call is ours again, the dialplan's if we go; the leg is nobody's.
            self._undo(call_id)
            self.drop()
            return False, self._ended(text)
        return False, []

    def _undo(self, call_id: CallId) -> None:
        """What a bridge of the dialplan's ends with is for the dialplan to say, as it did before the join."""
        before = ((Variable.HANGUP_AFTER_BRIDGE, truth(self._before)),) if self._before else ()
        self._say(SetVariables(call_id, ((Variable.SOCKET_RESUME, "true"), *before)))
        if not before:
            self._say(Unset(call_id, Variable.HANGUP_AFTER_BRIDGE))
        if self._comes_back:
            self._say(Unset(call_id, Variable.TRANSFER_AFTER_BRIDGE))

    def job(self, event: Event) -> list[DoorEvent]:
        """BACKGROUND_JOB, which bears no channel id."""
        leg_id = CallId(event.headers.get("Job-UUID", ""))
        taken = event.body.startswith("+OK")
        if leg_id in self._given_up:
            self._given_up.discard(leg_id)
            if taken:
                # It was killed before it was there.
                self._say(Kill(leg_id, HangupCause.NORMAL_CLEARING))
            return []
        if self._state is not _State.RINGING or leg_id != self._leg_id:
            return []
        if taken:
            self._state = _State.ANSWERED
            return [LegAnswered(leg_id)]
        return self._ended(event.body)

    def _ended(self, text: str) -> list[DoorEvent]:
        self._state = _State.NONE
        return [LegEnded(self._leg_id, text.removeprefix("-ERR").strip()[:60] or "NONE")]
