"""The one way out for WebSockets: a client that connects to judged addresses only, and sends its key to them alone.

The rules are those of `base.http`: what a tenant's document names is public, or an endpoint that the platform's
operator has allowed; no proxy, nothing from the environment, and no redirect is followed.
"""

import asyncio
import logging
from collections.abc import Mapping
from urllib.parse import urlsplit

import httpcore
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidHandshake, InvalidStatus

from base.http import Endpoint, OutboundPolicy, OutboundRefusedError, Resolver, judged, system_resolver
from base.secret import Secret

MAX_MESSAGE_BYTES = 4 * 1024 * 1024
CLOSE_TIMEOUT_S = 1.0
"""For the other side's own close frame; nobody waits for a network that is gone."""
_quiet = logging.getLogger("atende.websocket")
_quiet.setLevel(logging.WARNING)
"""At the level DEBUG the library writes every header into its log, the key among them, and all that is said."""


class SocketRefusedError(Exception):
    """There is no connection; the message names host and reason, and holds nothing that the other side sent."""


class _Direct(connect):
    """Follows no redirect."""

    def process_redirect(self, exc: Exception) -> Exception | str:
        return exc


async def guarded_websocket(
    url: str,
    policy: OutboundPolicy,
    *,
    secret_headers: Mapping[str, Secret] | None = None,
    resolve: Resolver | None = None,
) -> ClientConnection:
    """A connection to `url` (ws or wss) within `policy.connect_timeout_s`; close it.

    Raises OutboundRefusedError, SocketRefusedError.
    """
    parts = urlsplit(url)
    if parts.scheme not in {"ws", "wss"} or not parts.hostname or parts.username is not None:
        raise OutboundRefusedError("only ws:// and wss:// URLs without a password leave this process")
    host = parts.hostname
    port = parts.port or (443 if parts.scheme == "wss" else 80)
    try:
        async with asyncio.timeout(policy.connect_timeout_s):
            addresses = await judged(policy, resolve or system_resolver, Endpoint(host, port))
            return await _first(url, addresses, port, secret_headers or {})
    except TimeoutError as error:
        raise SocketRefusedError(f"no connection to {host} within {policy.connect_timeout_s:g} s") from error
    except httpcore.ConnectError as error:
        raise SocketRefusedError(str(error)) from error


async def _first(url: str, addresses: list[str], port: int, secrets: Mapping[str, Secret]) -> ClientConnection:
    """To the first address that answers. TLS checks the certificate against the URL's name."""
    refusal = "it has no address"
    for address in addresses:
        try:
            return await _Direct(
                url,
                host=address,
                port=port,
                proxy=None,
                additional_headers={name: secret.reveal() for name, secret in secrets.items()},
                user_agent_header=None,
                open_timeout=None,
                close_timeout=CLOSE_TIMEOUT_S,
                max_size=MAX_MESSAGE_BYTES,
                compression=None,
                logger=_quiet,
            )
        except InvalidStatus as error:
            raise SocketRefusedError(f"the server refused: HTTP {error.response.status_code}") from error
        except (OSError, InvalidHandshake) as error:
            refusal = type(error).__name__
    raise SocketRefusedError(f"{urlsplit(url).hostname} cannot be reached: {refusal}")
