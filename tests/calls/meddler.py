"""A man in the middle of the event socket: puts nonsense into what FreeSWITCH says, or cuts the wire."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field


@dataclass
class Meddler:
    """Passes bytes both ways between a switch and the door; one call at a time is meddled with."""

    door: tuple[str, int]
    address: tuple[str, int] = ("", 0)
    said: bytearray = field(default_factory=bytearray)
    """What the switch has said to the door."""
    tasks: set[asyncio.Task[None]] = field(default_factory=set)
    writers: list[asyncio.StreamWriter] = field(default_factory=list)
    between: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when the wire stands from end to end."""

    async def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection of the switch."""
        to_reader, to_writer = await asyncio.open_connection(*self.door)
        self.writers += [writer, to_writer]
        self.to_door = to_writer
        self.between.set()
        for source, sink, note in ((reader, to_writer, True), (to_reader, writer, False)):
            task = asyncio.create_task(self._pass_on(source, sink, note=note))
            self.tasks.add(task)
            task.add_done_callback(self.tasks.discard)

    def say(self, data: bytes) -> None:
        """To the door, as if the switch had said it."""
        self.to_door.write(data)

    def cut(self) -> None:
        """Both ways, with a reset towards the door."""
        for writer in self.writers:
            writer.transport.abort()

    def hang_up(self) -> None:
        """The door's side ends in order, whatever the switch has still to say."""
        self.to_door.close()

    async def _pass_on(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, *, note: bool) -> None:
        try:
            while data := await source.read(65536):
                if note:
                    self.said += data
                sink.write(data)
                await sink.drain()
        except ConnectionError:
            pass
        finally:
            sink.close()


@asynccontextmanager
async def meddler(door: tuple[str, int]) -> AsyncIterator[Meddler]:
    """A meddler before this door, on a port of its own."""
    between = Meddler(door)
    server = await asyncio.start_server(between.accept, "127.0.0.1", 0)
    between.address = server.sockets[0].getsockname()[:2]
    try:
        yield between
    finally:
        server.close()
        between.cut()
        await asyncio.gather(*between.tasks, return_exceptions=True)
