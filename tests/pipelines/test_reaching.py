"""A person is called while the caller stays: what is told of it, and that nothing rings when it is stopped."""

import asyncio

from pipelines.reaching import Reaching
from pipelines.spec import TransferSpec
from tests.pipelines.harness import Line


class Telephone(Line):
    """Rings until somebody takes it, nobody does, or it breaks."""

    def __init__(self) -> None:
        super().__init__()
        self.ends: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self.silent = asyncio.Event()

    async def connect(self, extension: str, ring_s: int) -> str:
        self.asked.append(f"{extension} {ring_s}")
        try:
            return await self.ends
        finally:
            await asyncio.sleep(0)  # the second leg is given up
            self.silent.set()


async def played(_: object) -> None:
    """A ringing tone."""


def begun(line: Telephone) -> tuple[Reaching, list[tuple[str, str]]]:
    over: list[tuple[str, str]] = []
    reaching = Reaching(line, 8000, None)
    assert not reaching.going_on
    transfer = TransferSpec(to="200", ring_s=7)
    reaching.begin(transfer, played, lambda: True, lambda cause, broke: over.append((cause, broke)))
    return reaching, over


async def ended(reaching: Reaching) -> None:
    while reaching.going_on:  # noqa: ASYNC110 - what is waited for has no event
        await asyncio.sleep(0)


async def test_why_nobody_could_be_had_is_told() -> None:
    line = Telephone()
    reaching, over = begun(line)
    await asyncio.sleep(0)
    assert (reaching.going_on, over) == (True, [])
    line.ends.set_result("USER_BUSY")
    await ended(reaching)
    assert over == [("USER_BUSY", "")]
    assert line.asked == ["200 7"]


async def test_what_broke_is_told_and_counts_as_nobody() -> None:
    line = Telephone()
    reaching, over = begun(line)
    line.ends.set_exception(ConnectionError("no such line"))
    await ended(reaching)
    assert over == [("FAILED", "nobody could be called: ConnectionError('no such line')")]


async def test_nothing_rings_any_longer_when_it_was_stopped() -> None:
    line = Telephone()
    reaching, over = begun(line)
    await asyncio.sleep(0)
    await reaching.stop()
    assert line.silent.is_set()
    assert (reaching.going_on, over) == (False, [])
    await reaching.stop()
