"""The process `models`, as a parent starts it: without the rest of the program, so that it is there soon."""

import faulthandler
import os
import socket
import sys
from pathlib import Path
from types import FrameType
from typing import Final

import msgspec
import structlog
import uvicorn
from msgspec import Struct

from control import logs, settings
from control.models_role.app import models_app
from control.models_role.socket import listener, socket_path
from control.workers.lifeline import STACKS, Lifeline, end_at_last

ENDS_WITHIN_S: Final = 10
"""Whoever waits for an answer has it in so many seconds, or asks the process that comes next."""

log = structlog.get_logger()


class Handed(Struct, frozen=True, kw_only=True):
    """What the parent hands over."""

    role: str
    slot: int
    line: int


class LinedServer(uvicorn.Server):
    """A server on a parent's line."""

    def __init__(self, config: uvicorn.Config, line: Lifeline) -> None:
        super().__init__(config)
        self._line = line

    async def serve(self, sockets: list[socket.socket] | None = None) -> None:
        async with self._line.held(self._drain, self._end):
            await super().serve(sockets)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._line.ending()
        await super().shutdown(sockets)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """A signal to the whole group is the parent's to answer: it ends this one last."""
        log.info("a signal is left to the parent", signal=sig)

    def _drain(self, *, others: bool) -> None:
        self._end()

    def _end(self) -> None:
        self.should_exit = True


def main() -> None:
    """Serve on the node's socket until the parent says that it is enough, or is gone."""
    os.umask(0o077)
    given = msgspec.json.decode(sys.argv[-1], type=Handed)
    line = Lifeline(socket.socket(fileno=given.line), end_at_last)
    found, _ = settings.load(os.environ, Path(".env"))
    logs.configure(found.log_format, found.log_level)
    structlog.contextvars.bind_contextvars(process=f"{given.role}-{given.slot}")
    faulthandler.register(STACKS, all_threads=True)
    try:
        listening = listener(socket_path(found))
    except OSError as error:
        log.error("no socket for the models", reason=str(error))  # noqa: TRY400 - it says all
        raise SystemExit(1) from error
    config = uvicorn.Config(
        models_app(found, line.up),
        log_config=None,
        access_log=False,
        server_header=False,
        loop="uvloop",
        timeout_graceful_shutdown=ENDS_WITHIN_S,
    )
    with listening:
        LinedServer(config, line).run(sockets=[listening])
