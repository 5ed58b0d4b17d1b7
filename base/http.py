"""The one way out: an HTTP client that cannot be talked into reaching what is not meant to be reached.

URLs come from tenants' documents, so a request may only go to public addresses (RFC 6890 says which are
not) or to an endpoint that the *platform's* operator has named. A name is resolved here, every address
of it is judged, and the connection is made to a judged address: an answer that changes between the
check and the connection (DNS rebinding) changes nothing. Redirects are off; where a caller follows them,
each hop passes the same fence, and secret headers go to their own origin alone. No proxy is used and
nothing is read from the environment.
"""

import asyncio
import ipaddress
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Any, Final

import httpcore
import httpx
from msgspec import Struct

from base.secret import Secret

Resolver = Callable[[str, int], Awaitable[Sequence[str]]]
"""Host and port to numeric addresses; raises OSError when there are none."""

_Address = ipaddress.IPv4Address | ipaddress.IPv6Address
_ALSO_REFUSED: Final = tuple(
    ipaddress.ip_network(network)
    for network in ("168.63.129.16/32", "192.0.0.0/24", "192.88.99.0/24", "64:ff9b:1::/48", "100::/64", "5f00::/16")
)
"""Azure's metadata service, which has a public address, and special ranges that older Pythons call global."""
_NAT64: Final = ipaddress.ip_network("64:ff9b::/96")


class OutboundRefusedError(httpx.TransportError):
    """The request may not leave; the message names the host and what an operator could do."""


class ResponseTooLargeError(httpx.TransportError):
    """The answer is longer than `max_response_bytes`, or packed so that its length cannot be known."""


class Endpoint(Struct, frozen=True):
    """A named host (lower case, without brackets) and its port."""

    host: str
    port: int


class OutboundPolicy(Struct, frozen=True, kw_only=True):
    """Bounds of outbound requests. `allow` is the platform operator's, never a tenant's."""

    allow: frozenset[Endpoint] = frozenset()
    connect_timeout_s: float = 5.0
    read_timeout_s: float = 30.0
    """Longest silence of the other side."""
    total_timeout_s: float = 120.0
    """From the request to the last byte of the answer."""
    max_response_bytes: int = 16 * 1024 * 1024
    max_connections: int = 100


def guarded_client(
    policy: OutboundPolicy,
    *,
    base_url: str = "",
    secret_headers: Mapping[str, Secret] | None = None,
    resolve: Resolver | None = None,
) -> httpx.AsyncClient:
    """A client behind the fence; close it. `secret_headers` are sent to the origin of `base_url` only.

    Requests raise OutboundRefusedError, ResponseTooLargeError and httpx's own errors; all are httpx.HTTPError.
    """
    if secret_headers and not base_url:
        raise ValueError("secret headers need a base_url: they are sent to its origin only")
    transport = GuardedTransport(policy, httpx.URL(base_url), secret_headers or {}, resolve or system_resolver)
    timeout = httpx.Timeout(policy.read_timeout_s, connect=policy.connect_timeout_s)
    return httpx.AsyncClient(
        transport=transport, base_url=base_url, timeout=timeout, trust_env=False, follow_redirects=False
    )


async def system_resolver(host: str, port: int) -> Sequence[str]:
    """The operating system's resolver."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


def is_public(address: str) -> bool:
    """Whether an address belongs to the public internet, also when it hides in an IPv6 one."""
    ip: _Address = ipaddress.ip_address(address.partition("%")[0])
    hidden = _hidden(ip) if isinstance(ip, ipaddress.IPv6Address) else ()
    return all(
        one.is_global and not one.is_multicast and not any(one in network for network in _ALSO_REFUSED)
        for one in (ip, *hidden)
    )


def _hidden(ip: ipaddress.IPv6Address) -> Iterable[ipaddress.IPv4Address]:
    """IPv4 addresses that this one leads to: mapped, 6to4 (RFC 3056), Teredo (RFC 4380), NAT64 (RFC 6052)."""
    if ip.ipv4_mapped is not None:
        yield ip.ipv4_mapped
    if ip.sixtofour is not None:
        yield ip.sixtofour
    if ip.teredo is not None:
        yield from ip.teredo
    if ip in _NAT64:
        yield ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)


class GuardedTransport(httpx.AsyncHTTPTransport):
    """httpx's transport with the fence under its connections and a bound on every answer."""

    def __init__(
        self, policy: OutboundPolicy, bound_to: httpx.URL, secret_headers: Mapping[str, Secret], resolve: Resolver
    ) -> None:
        super().__init__(trust_env=False)
        self._policy = policy
        self._origin = _origin(bound_to)
        self._secrets = dict(secret_headers)
        # httpx has no public way to choose the network below it; httpcore, on which it stands, has.
        self._pool = httpcore.AsyncConnectionPool(
            ssl_context=httpx.create_ssl_context(trust_env=False),
            max_connections=policy.max_connections,
            keepalive_expiry=30.0,
            network_backend=FencedNetwork(policy, resolve),
        )

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._policy.total_timeout_s
        outgoing = self._outgoing(request)
        try:
            async with asyncio.timeout_at(deadline):
                response = await super().handle_async_request(outgoing)
        except TimeoutError as error:
            raise httpx.ReadTimeout("no answer within total_timeout_s", request=request) from error
        if problem := _too_large(response.headers, self._policy.max_response_bytes):
            await response.aclose()
            raise ResponseTooLargeError(problem, request=request)
        assert isinstance(response.stream, httpx.AsyncByteStream)
        response.stream = _BoundedStream(response.stream, request, self._policy.max_response_bytes, deadline)
        return response

    def _outgoing(self, request: httpx.Request) -> httpx.Request:
        """What really leaves: a copy, so that no secret stays in the request that the caller holds."""
        if request.url.scheme not in {"http", "https"}:
            raise OutboundRefusedError(f"only http and https leave this process, not {request.url.scheme!r}")
        if request.url.userinfo:
            raise OutboundRefusedError(f"the URL of {request.url.host} holds a password; use a secret header")
        headers = httpx.Headers(request.headers)
        headers["Accept-Encoding"] = "identity"  # The bound counts what arrives; nothing may swell after it.
        if _origin(request.url) == self._origin:
            headers.update({name: secret.reveal() for name, secret in self._secrets.items()})
        return httpx.Request(
            request.method, request.url, headers=headers, stream=request.stream, extensions=request.extensions
        )


class FencedNetwork(httpcore.AsyncNetworkBackend):
    """Connects to judged addresses only. TLS still checks the certificate against the *name*."""

    def __init__(
        self, policy: OutboundPolicy, resolve: Resolver, inner: httpcore.AsyncNetworkBackend | None = None
    ) -> None:
        self._policy = policy
        self._resolve = resolve
        self._inner = inner or httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        limit_s = self._policy.connect_timeout_s if timeout is None else timeout
        deadline = asyncio.get_running_loop().time() + limit_s
        refusal: Exception = httpcore.ConnectError(f"{host} has no address")
        for address in await self._judged(host, port, limit_s):
            left_s = deadline - asyncio.get_running_loop().time()
            if left_s <= 0:
                raise httpcore.ConnectTimeout(f"no connection to {host} within {limit_s:g} s")
            try:
                return await self._inner.connect_tcp(address, port, left_s, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                refusal = error
        raise refusal

    async def connect_unix_socket(
        self, path: str, timeout: float | None = None, socket_options: Iterable[Any] | None = None
    ) -> httpcore.AsyncNetworkStream:
        raise OutboundRefusedError("unix sockets are not outbound")

    async def sleep(self, seconds: float) -> None:
        await self._inner.sleep(seconds)

    async def _judged(self, host: str, port: int, limit_s: float) -> Sequence[str]:
        try:
            async with asyncio.timeout(limit_s):
                return await judged(self._policy, self._resolve, Endpoint(host, port))
        except TimeoutError as error:
            raise httpcore.ConnectTimeout(f"{host} was not resolved within {limit_s:g} s") from error


async def judged(policy: OutboundPolicy, resolve: Resolver, endpoint: Endpoint) -> list[str]:
    """Every address of the endpoint's host, if all may be reached: one bad address spoils the name.

    Raises OutboundRefusedError, and httpcore.ConnectError for a name that has no address.
    """
    host, port = endpoint.host, endpoint.port
    try:
        addresses = list(await resolve(host, port))
    except TimeoutError:
        raise
    except OSError as error:
        raise httpcore.ConnectError(f"{host} cannot be resolved") from error
    if Endpoint(host.lower().rstrip("."), port) not in policy.allow and not all(map(is_public, addresses)):
        raise OutboundRefusedError(
            f"{host}:{port} is not on the public internet; the platform's operator may allow it by name"
        )
    return addresses


class _BoundedStream(httpx.AsyncByteStream):
    """An answer's body that ends with an error when it is too long or takes too long."""

    def __init__(self, inner: httpx.AsyncByteStream, request: httpx.Request, max_bytes: int, deadline: float) -> None:
        self._inner = inner
        self._request = request
        self._max_bytes = max_bytes
        self._deadline = deadline

    async def __aiter__(self) -> AsyncIterator[bytes]:
        received = 0
        parts = aiter(self._inner)
        while True:
            try:
                async with asyncio.timeout_at(self._deadline):
                    part = await anext(parts, None)
            except TimeoutError as error:
                raise httpx.ReadTimeout("the answer did not end in total_timeout_s", request=self._request) from error
            if part is None:
                return
            received += len(part)
            if received > self._max_bytes:
                raise ResponseTooLargeError(f"more than {self._max_bytes} bytes", request=self._request)
            yield part

    async def aclose(self) -> None:
        await self._inner.aclose()


def _too_large(headers: httpx.Headers, max_bytes: int) -> str | None:
    if headers.get("Content-Encoding", "identity").strip().lower() not in {"identity", ""}:
        return "the answer is compressed although we asked for it plain"
    length = headers.get("Content-Length", "0")
    return f"{length} bytes, more than {max_bytes}" if length.isdecimal() and int(length) > max_bytes else None


def _origin(url: httpx.URL) -> tuple[str, str, int | None]:
    return url.scheme, url.host.lower().rstrip("."), url.port or {"http": 80, "https": 443}.get(url.scheme)
