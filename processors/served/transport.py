"""How a model server is reached: over a unix socket of this machine, or as any HTTP server.

The address is the platform operator's own setting, never a tenant's.
"""

from collections.abc import Mapping
from typing import Final
from urllib.parse import unquote, urlsplit

import httpx

from base.http import Endpoint, OutboundPolicy, guarded_client
from base.secret import Secret
from processors.served.protocol import CLIENT

SOCKET_SCHEME: Final = "unix"
BASE_URL: Final = "http://models"
"""Of a server behind a socket; nobody resolves it."""
CONNECT_TIMEOUT_S: Final = 2.0
READ_TIMEOUT_S: Final = 300.0
"""Of silence: what is rehearsed waits for all that is live. Whoever waits in a call gives up earlier by himself."""
TOTAL_TIMEOUT_S: Final = 320.0


def socket_of(url: str) -> str | None:
    """The path of `unix:///path`; None: it is another URL."""
    parts = urlsplit(url)
    return unquote(parts.path) if parts.scheme == SOCKET_SCHEME else None


def client_of(url: str, me: str, key: Secret | None) -> httpx.AsyncClient:
    """Close it. `me` tells the server who asks."""
    timeout = httpx.Timeout(READ_TIMEOUT_S, connect=CONNECT_TIMEOUT_S)
    headers = {CLIENT: me}
    if (path := socket_of(url)) is not None:
        transport = httpx.AsyncHTTPTransport(uds=path, limits=httpx.Limits(max_connections=None))
        return httpx.AsyncClient(
            transport=transport, base_url=BASE_URL, timeout=timeout, headers=headers, trust_env=False
        )
    policy = OutboundPolicy(
        allow=frozenset({_endpoint_of(url)}),
        connect_timeout_s=CONNECT_TIMEOUT_S,
        read_timeout_s=READ_TIMEOUT_S,
        total_timeout_s=TOTAL_TIMEOUT_S,
        max_connections=600,
    )
    client = guarded_client(policy, base_url=url, secret_headers=_secret(key))
    client.headers.update(headers)
    return client


def blocking_client_of(url: str, key: Secret | None, timeout_s: float) -> httpx.Client:
    """For threads. Close it."""
    path = socket_of(url)
    return httpx.Client(
        transport=httpx.HTTPTransport(uds=path),
        base_url=url if path is None else BASE_URL,
        timeout=timeout_s,
        headers={name: value.reveal() for name, value in _secret(key).items()},
        trust_env=False,
    )


def _secret(key: Secret | None) -> Mapping[str, Secret]:
    return {} if key is None else {"Authorization": Secret(f"Bearer {key.reveal()}")}


def _endpoint_of(url: str) -> Endpoint:
    parts = urlsplit(url)
    return Endpoint((parts.hostname or "").rstrip("."), parts.port or (443 if parts.scheme == "https" else 80))
