"""A caller's leg as the pipelines ask for it: what they call an extension is one of this company's own."""

from typing import Final

from transports.freeswitch.errors import LegFailedError
from transports.freeswitch.esl_call import DoorCall
from transports.freeswitch.words import Device


class CompanyLine:
    """A `DoorCall` of one company; `domain` is the company's on the switch. Satisfies `pipelines.phone.PhoneLine`."""

    def __init__(self, call: DoorCall, domain: str) -> None:
        self._call: Final = call
        self._domain: Final = domain

    async def hang_up(self) -> None:
        """See PhoneLine."""
        await self._call.hang_up()

    async def give_back(self, door: str) -> None:
        """See PhoneLine."""
        await self._call.give_back(door)

    async def connect(self, extension: str, ring_s: int) -> str:
        """See PhoneLine. Only the extension's own telephones ring: a person takes it, or nobody does."""
        try:
            await self._call.reach(Device(extension, self._domain), ring_s=ring_s)
            await self._call.join()
        except LegFailedError as error:
            return error.cause
        return ""
