"""How far the sentences are that are rendered ahead: a bar on a terminal, a line now and then elsewhere."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Final

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

LINE_S: Final = 10.0
LOOK_S: Final = 0.2
TITLE: Final = "Rendering what may be said (once)"

Counts = Callable[[], tuple[int, int]]
"""Rendered, and how many there are to be (0: not known yet)."""


class FixedTexts:
    """Greetings and the like, which are rendered before a tenant answers. Told of each, see `pipelines.loading`."""

    def __init__(self) -> None:
        self._of: dict[str, tuple[int, int]] = {}

    def __call__(self, slug: str, done: int, total: int) -> None:
        self._of[slug] = done, total

    def told(self) -> str:
        """How far they are, for one line."""
        parts = (f"{slug} {done} of {total} fixed sentences rendered" for slug, (done, total) in self._of.items())
        return ", ".join(parts) or "nothing rendered yet"


@asynccontextmanager
async def lines(out: Console, told: Callable[[], str], every_s: float = LINE_S) -> AsyncIterator[None]:
    """What is told is printed every so often while the block runs, with the seconds that have gone by."""

    async def tell() -> None:
        now = asyncio.get_running_loop().time
        began = now()
        while True:
            await asyncio.sleep(every_s)
            out.print(f"  {now() - began:4.0f} s  {told()}", soft_wrap=True)

    telling = asyncio.create_task(tell(), name="progress lines")
    try:
        yield
    finally:
        telling.cancel()
        await asyncio.gather(telling, return_exceptions=True)


async def shown(out: Console, work: Awaitable[None], counts: Counts) -> None:
    """Waits for the work, and shows how far it is."""
    if not out.is_terminal:
        out.print(f"{TITLE} …")
        async with lines(out, lambda: "{} of {} sentences".format(*counts())):
            await work
        return
    columns = SpinnerColumn(), TextColumn(TITLE), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
    with Progress(*columns, console=out, transient=True) as bar:
        task = bar.add_task("", total=None)
        over = asyncio.ensure_future(work)
        try:
            while not over.done():
                done, total = counts()
                bar.update(task, completed=done, total=total or None)
                await asyncio.wait({over}, timeout=LOOK_S)
            await over
        finally:
            over.cancel()
