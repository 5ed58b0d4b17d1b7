"""`atende worker`: one of the processes of `atende serve --workers N`. Its parent starts it; nobody else should."""

import faulthandler
import socket
from contextlib import ExitStack
from types import FrameType

import click
import msgspec
import structlog
import uvicorn
from msgspec import Struct

from control.cli.context import program
from control.cli.draining import DrainingServer
from control.cli.serve import configured, watch
from control.cli.starting import Starting, told
from control.process import Process
from control.workers.lifeline import STACKS, Lifeline, end_at_last
from control.workers.seat import Place, Seat, seated, url_of
from tenants.roles import Role


class Handed(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the parent hands over: the place, and descriptors of open sockets."""

    role: Role
    slot: int
    line: int
    http: int | None = None
    door: int | None = None


class WorkerServer(DrainingServer):
    """A server on a parent's line. A signal has it drain, however often it comes: only the parent hurries it.

    One that is relieved has no reason to hurry: its calls have `relief_drain_s`.
    """

    def __init__(self, config: uvicorn.Config, drain_s: float, relief_drain_s: float, line: Lifeline) -> None:
        super().__init__(config, drain_s)
        self._relief_drain_s = relief_drain_s
        self._line = line

    async def serve(self, sockets: list[socket.socket] | None = None) -> None:
        async with self._line.held(self._told, self.end):
            await super().serve(sockets)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._line.ending()
        await super().shutdown(sockets)

    def _told(self, *, others: bool) -> None:
        """By the parent: to drain, or that it is relieved by `others`."""
        self.drain(others=others, within_s=self._relief_drain_s if others else None)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self.drain(others=True)


@click.command("worker", hidden=True)
@click.argument("handed")
@click.pass_context
def worker_command(context: click.Context, handed: str) -> None:
    """One process of several."""
    tool = program(context)
    given = msgspec.json.decode(handed, type=Handed)
    seat, line = Seat(role=given.role, slot=given.slot), Lifeline(socket.socket(fileno=given.line), end_at_last)
    found = seated(tool.settings, Place(seat=seat))
    structlog.contextvars.bind_contextvars(process=seat.name)
    faulthandler.register(STACKS, all_threads=True)
    servers: list[WorkerServer] = []

    def begun(process: Process) -> None:
        servers[0].serves(process)
        watch(process)
        line.up()

    with ExitStack() as stack:
        if given.http is not None:
            listener = stack.enter_context(socket.socket(fileno=given.http))
        else:
            listener = stack.enter_context(socket.create_server((found.internal_host, found.internal_port)))
        door = None if given.door is None else socket.socket(fileno=given.door)
        place = Place(seat=seat, door=door, url=url_of(listener, found.internal_host))
        starting = Starting(tool.create_app(tool.settings, begun, place))
        server = WorkerServer(configured(starting), found.drain_s, found.relief_drain_s, line)
        servers.append(server)
        try:
            server.run(sockets=[listener])
        except SystemExit:
            if server.started:
                raise
    if not server.started:
        raise told(starting.failure, tool.settings) or SystemExit(1)
