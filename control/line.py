"""A caller's leg as the pipelines ask for it: what they call an extension is one of this company's own."""

import asyncio
import math
from collections import deque
from typing import Final

import structlog
from msgspec import structs

from control.returns import LiveCall
from pipelines.calls import Call
from pipelines.leases import Lease
from transports.freeswitch.errors import CallEndedError, LegFailedError, LocalProtocolError, MediaUnavailableError
from transports.freeswitch.esl_call import DoorCall
from transports.freeswitch.esl_values import checked_context
from transports.freeswitch.words import Device, Hello, Note, Route

log = structlog.get_logger()

TALKING: Final = "talking"
"""The outcome that the PBX reads while there is no other; it stays when the caller hangs up, or when we die."""


MAX_TEXTS: Final = 100
"""That wait while a call re-enters the door."""


class CompanyLine:
    """A live call of one company; `domain` is the company's on the switch. Satisfies `pipelines.phone.PhoneLine`.

    What the revision says that the call holds at the time counts: with `transfer.returns` a caller who was connected
    comes back through the door when the person has hung up.
    """

    def __init__(self, live: LiveCall, call: Call, lease: Lease, domain: str) -> None:
        self._live: Final = live
        self._call: Final = call
        self._lease: Final = lease
        self._domain: Final = domain
        self._texts: Final[deque[str]] = deque()
        self._telling: asyncio.Task[DoorCall] | None = None
        self.comes_back = False
        """The caller is with a person, and comes back when that person hangs up."""

    async def hang_up(self) -> None:
        """See PhoneLine."""
        await (await self._present()).hang_up()

    async def give_back(self, door: str) -> None:
        """See PhoneLine."""
        await (await self._present()).give_back(door)

    async def transfer(self, number: str) -> None:
        """See PhoneLine. The number is dialled as the company's own telephones dial it."""
        await (await self._present()).transfer(Route(number, self._domain))

    def note(self, outcome: str) -> None:
        """See PhoneLine."""
        note(self._live.line, as_it_runs(self._call, self._lease), outcome)

    def changed_over(self) -> None:
        """See PhoneLine."""
        self.note(TALKING)

    def tell(self, text: str) -> None:
        """See PhoneLine. A call that has to re-enter the door for its audio tells it from there."""
        if len(self._texts) >= MAX_TEXTS:
            log.warning("a text was not sent", error=f"{MAX_TEXTS} wait already")
            return
        self._texts.append(text)
        if self._telling is None or self._telling.done():
            self._telling = asyncio.create_task(self._present(), name="tell texts")

    async def aclose(self) -> None:
        """Nothing is told any more. Idempotent."""
        if self._telling is not None:
            self._telling.cancel()
            await asyncio.gather(self._telling, return_exceptions=True)

    async def _present(self) -> DoorCall:
        """The connection that the call has now, behind every text that was told before."""
        call = await self._live.present()
        while self._texts:
            try:
                await call.send_text(self._texts.popleft())
            except CallEndedError:
                log.debug("a text came after the call")
            except (LocalProtocolError, MediaUnavailableError) as error:
                log.warning("a text was not sent", error=str(error))
        return call

    async def connect(self, extension: str, ring_s: int) -> str:
        """See PhoneLine. Only the extension's own telephones ring: a person takes it, or nobody does.

        A call that has to re-enter the door for its audio gives its second leg up. It rings again from there, for as
        long as is left, and the caller hears nothing of it.
        """
        loop = asyncio.get_running_loop()
        until = loop.time() + ring_s
        while (left_s := math.ceil(until - loop.time())) > 0:
            call = await self._present()
            try:
                await self._reach(call, extension, min(left_s, ring_s))
            except (LegFailedError, CallEndedError) as error:
                moved = self._live.waits or self._live.line is not call
                await self._live.present()
                self.note(TALKING)
                if moved:
                    continue
                if isinstance(error, CallEndedError):
                    raise
                return error.cause
            else:
                return ""
        return "NO_ANSWER"

    async def _reach(self, call: DoorCall, extension: str, ring_s: int) -> None:
        await call.reach(Device(extension, self._domain), ring_s=ring_s)
        self.note("operator")
        transfer = self._lease.pipeline.assistant.transfer
        back_to = _context(call.hello) if transfer is not None and transfer.returns else None
        await call.join(back_to=back_to)
        self.comes_back = back_to is not None


def as_it_runs(call: Call, lease: Lease) -> Call:
    """The call with the revision that it runs on now, and who answers in it; it began with what `call` says."""
    now = lease.pipeline
    return structs.replace(call, revision=now.revision.number, assistant=now.assistant.key)


def note(line: DoorCall, call: Call, outcome: str) -> None:
    """Leave on the channel who answered and how it ended; nothing happens when the call is not ours any more."""
    if not line.live:
        return
    again_at = {} if line.again_at is None else {Note.AGAIN_AT: line.again_at}
    line.note(
        {
            Note.ASSISTANT: call.assistant,
            Note.REVISION: str(call.revision),
            Note.CALL: call.id,
            Note.OUTCOME: outcome,
            **again_at,
        }
    )


def _context(hello: Hello) -> str | None:
    """The context whose `door_again` leads back; None where the switch names none: then nobody comes back."""
    try:
        return checked_context(hello.context)
    except LocalProtocolError as error:
        log.warning("a caller cannot come back from a transfer", error=str(error))
        return None
