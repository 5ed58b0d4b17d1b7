"""What the mock stages have in common: failing on purpose, at a chosen turn, in a chosen way."""

import asyncio
from typing import Annotated, Literal

from msgspec import Meta, Struct

from processors.factory import PrepareError

Seconds = Annotated[float, Meta(ge=0.0, le=60.0)]


class MockError(RuntimeError):
    """Raised by a mock stage that was told to fail."""


class Failing(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How a mock stage fails."""

    failure: Literal["none", "prepare", "raises", "hangs", "stubborn"] = "none"
    """`prepare` refuses to load, `raises` and `hangs` do so at the turns in `fail_on`, `stubborn` hangs too and ignores
    its cancellation, as a stage blocked in foreign code would.
    """
    fail_on: tuple[int, ...] = ()
    """Turns, counted from 0; none means every one."""
    stubborn_s: Seconds = 5.0
    """How long `stubborn` ignores its cancellation."""

    def refuse(self) -> None:
        """Raises PrepareError when told to."""
        if self.failure == "prepare":
            raise PrepareError("this mock stage was told not to load; set `failure: none`")

    async def trouble(self, turn: int) -> None:
        """Returns at once in a turn that goes well. Raises MockError, or does not return."""
        if self.failure in ("none", "prepare") or (self.fail_on and turn not in self.fail_on):
            return
        if self.failure == "raises":
            raise MockError(f"told to fail in turn {turn}")
        if self.failure == "stubborn":
            await _ignore_cancellation(self.stubborn_s)
        else:
            await asyncio.Event().wait()


async def _ignore_cancellation(duration_s: float) -> None:
    """Raises CancelledError at the end of the time if it was cancelled before."""
    clock = asyncio.get_running_loop().time
    end, cancelled = clock() + duration_s, False
    while (left := end - clock()) > 0:
        try:
            await asyncio.sleep(left)
        except asyncio.CancelledError:
            cancelled = True
    if cancelled:
        raise asyncio.CancelledError
