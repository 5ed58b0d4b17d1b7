"""The TCP connection of one outbound event socket, as its call sees it."""

from __future__ import annotations

import asyncio
from typing import Protocol, cast


class WireOwner(Protocol):
    """Who is told what happens on a wire."""

    def wire_made(self, wire: Wire) -> None:
        """The service accepted."""
        ...

    def bytes_came(self, wire: Wire, data: bytes) -> None:
        """Bytes of the service."""
        ...

    def wire_lost(self, wire: Wire) -> None:
        """The connection has gone."""
        ...


class Wire(asyncio.Protocol):
    """One connection to the service. Tells its call; a call may have several, one after the other."""

    def __init__(self, call: WireOwner) -> None:
        self._call = call
        self._transport: asyncio.Transport | None = None
        self.gone = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """It stands."""
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is one in all but name
        self._call.wire_made(self)

    def data_received(self, data: bytes) -> None:
        """Bytes of the service."""
        self._call.bytes_came(self, data)

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection has gone, whoever closed it."""
        self.gone.set()
        self._call.wire_lost(self)

    def write(self, parts: tuple[bytes, ...]) -> None:
        """One write each, as FreeSWITCH does."""
        for part in parts:
            if self._transport is not None and not self._transport.is_closing():
                self._transport.write(part)

    def close(self) -> None:
        """After what was written has left."""
        if self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        """At once."""
        if self._transport is not None:
            self._transport.abort()
