"""What a call session may ask of the phone line, whatever wire it is on."""

from typing import Protocol


class PhoneLine(Protocol):
    """The caller's leg. Verbs that give it up are idempotent and final; the first wins."""

    async def hang_up(self) -> None:
        """End the call normally, now; the caller has heard what was to be heard."""
        ...

    async def give_back(self, door: str) -> None:
        """Let the dialplan go on at `door_<door>`: `operator`, `voicemail`, `failed`."""
        ...

    async def transfer(self, number: str) -> None:
        """Send the caller on to a number of the company's dialplan, whoever answers there, or nobody."""
        ...

    def note(self, outcome: str) -> None:
        """Leave word with the PBX of how the call ends here, while it can be left. Never waits, never raises."""
        ...

    def changed_over(self) -> None:
        """The call runs on another revision from now on: leave word of that. Never waits, never raises."""
        ...

    def tell(self, text: str) -> None:
        """Send a text out of the call, to whoever of the PBX listens. Never waits, never raises.

        What was told goes before the verb that gives the leg up; one that cannot be sent is lost.
        """
        ...

    async def connect(self, extension: str, ring_s: int) -> str:
        """Call an extension while the caller stays with us, and connect both once somebody has answered.

        Empty when they are connected: final, as the other verbs are. Else why nobody could be had (USER_BUSY,
        NO_ANSWER, …), and the call is ours as before. Cancelled, it rings no longer.
        """
        ...
