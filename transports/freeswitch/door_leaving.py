"""How a call is let go of: what is said, and what only behind its answer. Pure; the fourth part of `DoorMachine`.

`exit` must not overtake what it depends on. With `socket_resume` the dialplan goes on behind it: so it says where, and
where two people talk to each other, or the call has been sent on, it is taken off ahead.
"""

from collections.abc import Callable
from typing import Final

from base.ids import CallId
from transports.freeswitch.esl_commands import Command, ExecuteSetDoor, Exit, SetDoor, Transfer
from transports.freeswitch.esl_switch_commands import SetVariables
from transports.freeswitch.esl_values import Variable
from transports.freeswitch.words import DoorName

LETS_GO: Final = (SetDoor, ExecuteSetDoor, Transfer)


class DoorLeaving:
    """Of one connection. `say` sends a command."""

    def __init__(self, say: Callable[[Command], None]) -> None:
        self._say = say
        self._parting: SetVariables | None = None
        self._door = DoorName.FAILED
        self.taken = False
        """Somebody else has connected the caller with a person."""

    @property
    def comes_back(self) -> bool:
        """Whether the call was asked to re-enter the door."""
        return self._door is DoorName.AGAIN

    def give_back(self, call_id: CallId, door: DoorName) -> None:
        """Say where the dialplan goes on; two who talk are left to each other instead."""
        self._door = door
        if self.taken:
            # Should the person hang up before FreeSWITCH has done this, the caller goes to the door all the same.
            self._parting = _resumes(call_id, on=False)
            self._say(self._parting)
        else:
            self._say(SetDoor(call_id, door))

    def transfer(self, command: Transfer) -> None:
        """Send the caller on; our leaving must not fetch him back from there."""
        self._say(_resumes(command.call_id, on=False))
        self._say(command)

    def replied(self, command: Command, call_id: CallId, *, ok: bool, hung_up: bool) -> bool:
        """Whether this was the answer to something said here."""
        if command is self._parting and not self.taken:
            self._say(_resumes(call_id, on=True))
            self._say(SetDoor(call_id, self._door))
            return True
        if isinstance(command, Transfer) and not (ok or hung_up):
            # Only now is it known whether the call has left, or has to go to the fall-back.
            self._say(_resumes(call_id, on=True))
        if command is not self._parting and not isinstance(command, LETS_GO):
            return False
        self._say(Exit())
        return True


def _resumes(call_id: CallId, *, on: bool) -> SetVariables:
    return SetVariables(call_id, ((Variable.SOCKET_RESUME, "true" if on else "false"),))
