"""Why `atende serve` did not begin: one line with the fix where it is a known cause, all that is known otherwise."""

import errno
import socket
from collections.abc import Awaitable, Callable
from typing import Any, Final, TypeAlias

import click
import structlog

from control.settings import Settings, SettingsError
from processors.plugins import PluginError
from tenants.embedded import EmbeddedError
from tenants.keys import KeyFileError
from tenants.migrate import DatabaseError
from tenants.secret_rows import SecretsUnavailableError

Message: TypeAlias = dict[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]

log = structlog.get_logger()

BACKLOG: Final = 500
TOLD: Final = (OSError, SettingsError, PluginError, EmbeddedError, DatabaseError, KeyFileError, SecretsUnavailableError)
"""Their messages say what is wrong, and most what to do."""


class Starting:
    """The application, which keeps what its start failed by instead of having the server log it."""

    def __init__(self, app: Callable[..., Awaitable[None]]) -> None:
        self.failure: BaseException | None = None
        self._app = app

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """As an ASGI application."""
        if scope["type"] != "lifespan":
            await self._app(scope, receive, send)
            return
        failing = False

        async def sent(message: Message) -> None:
            nonlocal failing
            if message["type"] == "lifespan.startup.failed":
                failing, message = True, {"type": "lifespan.startup.failed", "message": ""}
            await send(message)

        try:
            await self._app(scope, receive, sent)
        except BaseException as error:
            if failing:
                self.failure = error
            raise


def http_listener(settings: Settings) -> socket.socket:
    """The HTTP door's socket, bound before anything is opened. Raises ClickException when the address is taken."""
    host, port = settings.http_host, settings.http_port
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise click.ClickException(address_told(host, port, "ATENDE_HTTP_PORT", error)) from error
    return listener


def door_listener(settings: Settings) -> socket.socket:
    """The phone door's socket, which listens, where several processes share it. Raises ClickException."""
    try:
        return socket.create_server((settings.esl_host, settings.esl_port), backlog=BACKLOG)
    except OSError as error:
        told_of = address_told(settings.esl_host, settings.esl_port, "ATENDE_ESL_PORT", error)
        raise click.ClickException(told_of) from error


def told(failure: BaseException | None, settings: Settings) -> click.ClickException | None:
    """A start's failure as a line; None, and logged as it is, where it is none that an operator can act on."""
    while isinstance(failure, BaseExceptionGroup) and len(failure.exceptions) == 1:
        failure = failure.exceptions[0]
    if isinstance(failure, OSError) and failure.errno in (errno.EADDRINUSE, errno.EADDRNOTAVAIL):
        doors = {"ATENDE_ESL_PORT": settings.esl_port, "ATENDE_MEDIA_SOCKET_PORT": settings.media_socket_port}
        for variable, port in doors.items():
            if f", {port})" in str(failure):
                return click.ClickException(address_told(settings.esl_host, port, variable, failure))
    if isinstance(failure, TOLD):
        return click.ClickException(str(failure))
    if failure is not None:
        log.error("the service did not start", exc_info=failure)
    return None


def address_told(host: str, port: int, variable: str, error: OSError) -> str:
    """Why a door could not be opened there, and what to do."""
    where = f"{host}:{port} ({variable})"
    if error.errno == errno.EADDRINUSE:
        fix = f"stop it (`ss -ltnp 'sport = :{port}'` shows it), or choose another {variable}"
        return f"{where} is taken: another Atende runs here, or another program has the port; {fix}"
    if error.errno == errno.EADDRNOTAVAIL:
        owner = "ATENDE_HTTP_HOST" if variable == "ATENDE_HTTP_PORT" else "ATENDE_ESL_HOST"
        return f"{where}: this machine has no such address; change {owner}"
    return f"{where} cannot be had: {error.strerror}"
