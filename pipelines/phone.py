"""What a call session may ask of the phone line, whatever wire it is on."""

from typing import Protocol


class PhoneLine(Protocol):
    """The caller's leg. Both verbs are idempotent and final; the first wins."""

    async def hang_up(self) -> None:
        """End the call normally, now; the caller has heard what was to be heard."""
        ...

    async def give_back(self, door: str) -> None:
        """Let the dialplan go on at `door_<door>`: `operator`, `voicemail`, `failed`."""
        ...
