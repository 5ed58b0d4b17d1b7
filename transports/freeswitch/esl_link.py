"""A connection to a switch's event socket that comes back by itself."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import Final

import structlog

from transports.freeswitch.errors import LocalProtocolError, PhoneTimeoutError
from transports.freeswitch.esl_client import SwitchAddress, SwitchClient, SwitchLimits, SwitchUnreachableError
from transports.freeswitch.esl_switch_commands import Events, SwitchEvent

log = structlog.get_logger()

FIRST_PAUSE_S: Final = 0.2
LONGEST_PAUSE_S: Final = 15.0


class SwitchLink:
    """A connection that is there again whenever the switch is. Runs until it is cancelled.

    `on_connected` is called with each new connection (subscribe there); until it returns nobody else gets it. Between
    tries it waits, longer each time: `FIRST_PAUSE_S`, twice as long, … at most `LONGEST_PAUSE_S`, with some chance in
    it so that many of us do not knock together. A login that was refused is tried as seldom as it can be.
    """

    def __init__(
        self,
        name: str,
        address: SwitchAddress,
        *,
        limits: SwitchLimits | None = None,
        on_connected: Callable[[SwitchClient], Awaitable[None]] | None = None,
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._name = name
        self._address = address
        self._limits = limits or SwitchLimits()
        self._on_connected = on_connected
        self._pause = pause
        self._client: SwitchClient | None = None
        self._tries = 0
        self.last_error = ""
        """Why it is not connected; empty while it is."""

    @property
    def client(self) -> SwitchClient:
        """The connection. Raises SwitchUnreachableError while there is none."""
        if self._client is None or self._client.closed.is_set():
            raise SwitchUnreachableError(f"switch {self._name}: {self.last_error or 'not connected yet'}")
        return self._client

    @property
    def connected(self) -> bool:
        """Whether commands may be asked now."""
        return self._client is not None and not self._client.closed.is_set()

    async def run(self) -> None:
        """Connect, and again after every loss, until cancelled; the connection is left in good order then."""
        try:
            while True:
                await self._once()
                await self._pause(self._next_pause())
        finally:
            if self._client is not None:
                await self._client.close()
                self._client = None

    async def _once(self) -> None:
        """One connection, from its beginning to its end."""
        client: SwitchClient | None = None
        try:
            client = await SwitchClient.connect(self._address, self._limits)
            if self._on_connected is not None:
                await self._on_connected(client)
            self._client, self._tries, self.last_error = client, 0, ""
            log.info("switch connected", switch=self._name)
            await client.closed.wait()
            self._failed("the connection was lost")
        except (SwitchUnreachableError, PhoneTimeoutError, LocalProtocolError) as error:
            self._failed(str(error))
            if isinstance(error, SwitchUnreachableError) and error.refused:
                self._tries += 10
            if client is not None:
                await client.close()
        finally:
            self._client = None if client is None or client.closed.is_set() else client

    def _failed(self, reason: str) -> None:
        self.last_error = reason
        self._tries += 1
        log.warning("switch not connected", switch=self._name, reason=reason, tries=self._tries)

    def _next_pause(self) -> float:
        longest = min(LONGEST_PAUSE_S, FIRST_PAUSE_S * float(2 ** min(self._tries - 1, 10)))
        return longest * (0.75 + random.random() / 4)  # noqa: S311 - no secret is made of it


async def subscribe(client: SwitchClient, *classes: SwitchEvent) -> None:
    """Ask for kinds of event. Raises SwitchUnreachableError when the switch refuses, and as `SwitchClient.ask`."""
    answer = await client.ask(Events("plain", classes))
    if not answer.ok:
        raise SwitchUnreachableError(f"events were refused: {answer.text[:80]}")
