"""The way to a hosted model: the SDKs' HTTP client on top of our guarded one.

OpenAI's and Anthropic's SDKs stand on httpx2, the fence (`base.http`) on httpx; `FencedTransport` carries
requests from one to the other. It forwards no header but those named here: the SDKs add keys and
organisations that they find in the process's environment, which are the platform operator's and never a
tenant's. The tenant's own key is added by the fence, for the configured origin alone, so that neither the
SDK nor its errors ever hold it.
"""

import re
from collections.abc import AsyncIterator, Mapping
from typing import Final

import httpx
import httpx2
from msgspec.structs import replace

from base.http import Endpoint, OutboundPolicy, guarded_client
from base.ids import TenantId
from base.secret import Secret, SecretRef
from processors.factory import PrepareError, Workshop

FORWARDED: Final = frozenset(
    {"accept", "content-type", "content-length", "user-agent", "anthropic-version", "anthropic-beta"}
)
UNUSED_KEY: Final = "not-used"
"""What the SDKs are told, so that they do not look for a key of their own."""

_VISIBLE: Final = re.compile(r"[!-~]+")
MAX_ANSWER_BYTES = 1_000_000
MAX_ANSWER_S = 120.0


def checked_base_url(base_url: str, outbound: OutboundPolicy) -> str:
    """`base_url` if a tenant may use it. Raises PrepareError.

    It must be https, without user, query or fragment. Plain http is for endpoints that the platform's
    operator has named (`ATENDE_OUTBOUND_ALLOW`), which are also the only ones that need not be public
    addresses; that is judged at each connection, by the fence.
    """
    try:
        url = httpx.URL(base_url)
    except httpx.InvalidURL as error:
        raise PrepareError(f"base_url: {error}") from error
    if not url.host or url.scheme not in {"https", "http"} or url.userinfo or url.query or url.fragment:
        raise PrepareError("base_url: write it as https://host/path, without user, query or fragment")
    endpoint = Endpoint(url.host.lower().rstrip("."), url.port or (443 if url.scheme == "https" else 80))
    if url.scheme == "http" and endpoint not in outbound.allow:
        raise PrepareError(
            f"base_url: {endpoint.host}:{endpoint.port} is not https; the platform's operator may allow it"
            f" with ATENDE_OUTBOUND_ALLOW={endpoint.host}:{endpoint.port}"
        )
    return base_url.rstrip("/")


async def bearer(api_key: SecretRef | None, tenant_id: TenantId, workshop: Workshop) -> dict[str, Secret]:
    """The header with a tenant's key, as OpenAI's servers want it; none where there is no key. Raises PrepareError."""
    if api_key is None:
        return {}
    key = await header_value(api_key, tenant_id, workshop)
    return {"Authorization": Secret(f"Bearer {key.reveal()}")}


async def header_value(api_key: SecretRef, tenant_id: TenantId, workshop: Workshop) -> Secret:
    """A tenant's key that can stand in a header: visible ASCII alone. Raises PrepareError, which does not show it."""
    key = await workshop.secret(tenant_id, api_key.secret)
    if not _VISIBLE.fullmatch(key.reveal()):
        raise PrepareError(f"the secret {api_key.secret!r} is no key: it has spaces, line breaks or other characters")
    return key


def fenced_client(
    base_url: str, secret_headers: Mapping[str, Secret], outbound: OutboundPolicy, deadline_s: float
) -> httpx2.AsyncClient:
    """An HTTP client for an SDK; closing it closes all of it."""
    # The stage keeps the deadline itself, so that it can tell what it waited for; the fence's is the last resort.
    policy = replace(
        outbound,
        read_timeout_s=deadline_s + 5.0,
        total_timeout_s=MAX_ANSWER_S,
        max_response_bytes=MAX_ANSWER_BYTES,
    )
    guarded = guarded_client(policy, base_url=base_url, secret_headers=secret_headers)
    return httpx2.AsyncClient(transport=FencedTransport(guarded), trust_env=False, follow_redirects=False)


class FencedTransport(httpx2.AsyncBaseTransport):
    """httpx2 above, httpx below."""

    def __init__(self, guarded: httpx.AsyncClient) -> None:
        self._guarded = guarded

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        headers = [(name, value) for name, value in request.headers.items() if name.lower() in FORWARDED]
        outgoing = self._guarded.build_request(
            request.method, str(request.url), headers=headers, content=await request.aread()
        )
        try:
            response = await self._guarded.send(outgoing, stream=True)
        except httpx.TimeoutException as error:
            raise httpx2.ReadTimeout("the model's server does not answer", request=request) from error
        except httpx.HTTPError as error:
            raise httpx2.ConnectError(str(error), request=request) from error
        return httpx2.Response(
            response.status_code, headers=response.headers.raw, stream=_Body(response, request), request=request
        )

    async def aclose(self) -> None:
        await self._guarded.aclose()


class _Body(httpx2.AsyncByteStream):
    """The answer's bytes as they come."""

    def __init__(self, response: httpx.Response, request: httpx2.Request) -> None:
        self._response = response
        self._request = request

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            async for part in self._response.aiter_raw():
                yield part
        except httpx.HTTPError as error:
            # Also for a time limit: pipecat's Anthropic service keeps silent about those.
            raise httpx2.ReadError(f"the answer broke off: {type(error).__name__}", request=self._request) from error

    async def aclose(self) -> None:
        await self._response.aclose()
