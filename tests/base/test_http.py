"""The fence: where requests may go, what may come back, and whom secrets are told."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import httpcore
import httpx
import pytest

from base.http import (
    Endpoint,
    FencedNetwork,
    OutboundPolicy,
    OutboundRefusedError,
    Resolver,
    ResponseTooLargeError,
    guarded_client,
    is_public,
)
from base.secret import Secret

Reply = Callable[[bytes, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def server(reply: Reply) -> AsyncIterator[int]:
    """A server on loopback that hands each request's head to `reply`, then closes."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reply(await reader.readuntil(b"\r\n\r\n"), writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    listening = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield listening.sockets[0].getsockname()[1]
    finally:
        listening.close()
        await listening.wait_closed()


def saying(*parts: bytes, heads: list[bytes] | None = None) -> Reply:
    async def reply(head: bytes, writer: asyncio.StreamWriter) -> None:
        if heads is not None:
            heads.append(head)
        for part in parts:
            writer.write(part)
            await writer.drain()

    return reply


OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok"


def allowing(*ports: int, **bounds: Any) -> OutboundPolicy:
    return OutboundPolicy(allow=frozenset(Endpoint("127.0.0.1", port) for port in ports), **bounds)


def names(**table: Sequence[str]) -> Resolver:
    async def resolve(host: str, port: int) -> Sequence[str]:
        return table[host.partition(".")[0]]

    return resolve


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0",
        "224.0.0.1", "239.1.1.1", "255.255.255.255", "168.63.129.16", "192.0.0.8", "198.18.0.1", "240.0.0.1",
        "::1", "::", "fe80::1", "fe80::1%eth0", "fc00::1", "fd00:ec2::254", "ff02::1", "2001:db8::1",
        "::ffff:127.0.0.1", "::ffff:10.0.0.1", "2002:7f00:1::", "2002:a00:1::1", "64:ff9b::7f00:1",
        "64:ff9b::a9fe:a9fe", "64:ff9b:1::7f00:1",
    ],
)  # fmt: skip
def test_addresses_that_are_not_public(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", ["93.184.216.34", "2606:2800:220:1::1", "64:ff9b::5db8:d822"])
def test_addresses_that_are(address: str) -> None:
    assert is_public(address)


async def test_loopback_is_refused_unless_the_operator_named_that_very_endpoint() -> None:
    heads: list[bytes] = []
    async with server(saying(OK, heads=heads)) as port:
        for policy in (OutboundPolicy(), allowing(port + 1)):
            async with guarded_client(policy) as client:
                with pytest.raises(OutboundRefusedError, match="may allow it by name"):
                    await client.get(f"http://127.0.0.1:{port}/")
        assert heads == []
        async with guarded_client(allowing(port)) as client:
            assert (await client.get(f"http://127.0.0.1:{port}/")).text == "ok"
    assert b"accept-encoding: identity" in heads[0].lower()


@pytest.mark.parametrize("host", ["2130706433", "0x7f.1", "127.1", "[::ffff:127.0.0.1]", "localhost"])
async def test_other_spellings_of_loopback_are_judged_after_resolution(host: str) -> None:
    async with guarded_client(OutboundPolicy(connect_timeout_s=2)) as client:
        with pytest.raises((OutboundRefusedError, httpx.ConnectError)):
            await client.get(f"http://{host}:9/")


async def test_one_bad_address_spoils_a_name() -> None:
    resolve = names(mixed=("93.184.216.34", "10.0.0.1"))
    async with guarded_client(OutboundPolicy(), resolve=resolve) as client:
        with pytest.raises(OutboundRefusedError, match=r"mixed\.example"):
            await client.get("http://mixed.example/")


class Recorder(httpcore.AsyncNetworkBackend):
    """A network that notes where it was asked to connect."""

    def __init__(self, *, refuse: Sequence[str] = ()) -> None:
        self.connected: list[str] = []
        self.named: list[str | None] = []
        self._refuse = refuse

    async def connect_tcp(self, host: str, *_: Any, **__: Any) -> httpcore.AsyncNetworkStream:
        self.connected.append(host)
        if host in self._refuse:
            raise httpcore.ConnectError("refused")
        return RecordedStream(self)


class RecordedStream(httpcore.AsyncNetworkStream):
    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder

    async def start_tls(self, *_: Any, server_hostname: str | None = None, **__: Any) -> httpcore.AsyncNetworkStream:
        self._recorder.named.append(server_hostname)
        raise httpcore.ConnectError("no handshake here")

    async def aclose(self) -> None: ...


async def test_the_connection_goes_to_the_judged_address_whatever_dns_says_next() -> None:
    answers = [["93.184.216.34"], ["127.0.0.1"]]

    async def rebinding(host: str, port: int) -> Sequence[str]:
        return answers.pop(0)

    recorder = Recorder()
    network = FencedNetwork(OutboundPolicy(), rebinding, recorder)
    await network.connect_tcp("evil.example", 80)
    assert recorder.connected == ["93.184.216.34"]
    with pytest.raises(OutboundRefusedError):
        await network.connect_tcp("evil.example", 80)
    assert recorder.connected == ["93.184.216.34"]


async def test_the_next_address_is_tried_and_tls_checks_the_name() -> None:
    recorder = Recorder(refuse=["2606:2800:220:1::1"])
    resolve = names(api=("2606:2800:220:1::1", "93.184.216.34"))
    network = FencedNetwork(OutboundPolicy(), resolve, recorder)
    async with httpcore.AsyncConnectionPool(network_backend=network) as pool:
        with pytest.raises(httpcore.ConnectError):
            await pool.request("GET", "https://api.example/")
    assert recorder.connected == ["2606:2800:220:1::1", "93.184.216.34"]
    assert recorder.named == ["api.example"]


async def test_no_unix_sockets_no_other_schemes_no_passwords_in_urls() -> None:
    with pytest.raises(OutboundRefusedError):
        await FencedNetwork(OutboundPolicy(), names()).connect_unix_socket("/run/docker.sock")
    async with guarded_client(OutboundPolicy()) as client:
        for url in ("ftp://example.net/", "http://user:hush@example.net/"):
            with pytest.raises((OutboundRefusedError, httpx.UnsupportedProtocol)) as caught:
                await client.get(url)
            assert "hush" not in str(caught.value)


async def test_redirects_are_not_followed_and_a_followed_one_meets_the_fence() -> None:
    async with server(saying(OK)) as inside:
        moved = f"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:{inside}/\r\nContent-Length: 0\r\n\r\n".encode()
        async with server(saying(moved)) as port, guarded_client(allowing(port)) as client:
            assert (await client.get(f"http://127.0.0.1:{port}/")).status_code == 302
            with pytest.raises(OutboundRefusedError):
                await client.get(f"http://127.0.0.1:{port}/", follow_redirects=True)


async def test_secret_headers_reach_their_origin_alone_and_stay_out_of_the_callers_request() -> None:
    home, away = [], []  # type: list[bytes], list[bytes]
    key = {"X-Api-Key": Secret("hush")}
    async with server(saying(OK, heads=away)) as other:
        moved = f"HTTP/1.1 307 Moved\r\nLocation: http://127.0.0.1:{other}/\r\nContent-Length: 0\r\n\r\n".encode()
        async with server(saying(moved, heads=home)) as port:
            client = guarded_client(allowing(port, other), base_url=f"http://127.0.0.1:{port}", secret_headers=key)
            async with client:
                response = await client.get("/", follow_redirects=True)
    assert response.text == "ok"
    assert b"hush" in home[0]
    assert b"hush" not in away[0]
    assert "hush" not in str([past.request.headers for past in (response, *response.history)])
    with pytest.raises(ValueError, match="base_url"):
        guarded_client(OutboundPolicy(), secret_headers=key)


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 2000\r\n\r\n" + b"x" * 2000,
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"1f4\r\n" + b"x" * 500 + b"\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\nxx",
    ],
    ids=["announced", "chunked", "compressed"],
)
async def test_an_answer_has_a_size(answer: bytes) -> None:
    more = b"1f4\r\n" + b"x" * 500 + b"\r\n"
    async with (
        server(saying(answer, *([more] * 4 if b"chunked" in answer else []))) as port,
        guarded_client(allowing(port, max_response_bytes=1000)) as client,
    ):
        with pytest.raises(ResponseTooLargeError):
            await client.get(f"http://127.0.0.1:{port}/")


async def test_an_answer_that_drips_for_ever_ends_at_the_total_limit() -> None:
    async def drip(head: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while not writer.is_closing():
            writer.write(b"1\r\nx\r\n")
            await writer.drain()
            await asyncio.sleep(0.02)

    async with server(drip) as port, guarded_client(allowing(port, total_timeout_s=0.3, read_timeout_s=5)) as client:
        with pytest.raises(httpx.ReadTimeout, match="total_timeout_s"):
            await client.get(f"http://127.0.0.1:{port}/")


async def test_a_silent_server_and_a_silent_resolver_have_limits() -> None:
    async def never(*_: object) -> Any:
        await asyncio.Event().wait()

    async with guarded_client(OutboundPolicy(connect_timeout_s=0.1), resolve=never) as client:
        with pytest.raises(httpx.ConnectTimeout):
            await client.get("http://slow.example/")


async def test_the_environments_proxies_are_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    heads: list[bytes] = []
    async with server(saying(OK, heads=heads)) as proxy, server(saying(OK)) as port:
        monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{proxy}")
        monkeypatch.setenv("ALL_PROXY", f"http://127.0.0.1:{proxy}")
        async with guarded_client(allowing(port)) as client:
            assert (await client.get(f"http://127.0.0.1:{port}/")).text == "ok"
    assert heads == []
