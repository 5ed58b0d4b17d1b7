"""Who asks, and what he may: API keys, roles, and the one tenant that a tenant's key sees.

Order for each request: the address's bucket, the key, the key's bucket, the role (a guard), then the object. So a
role that does not suffice is told before anybody looks whether the object exists.
"""

import math
from collections.abc import Callable
from typing import Any, Final
from uuid import UUID

import structlog
from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler
from litestar.middleware import AbstractAuthenticationMiddleware, AuthenticationResult
from litestar.types import ASGIApp
from msgspec import Struct

from base.clock import Clock
from base.ids import ApiKeyId, TenantId
from control.api.bounds import Buckets, Guesses, address_name
from control.api.problems import FieldError, Refusal, not_found
from tenants.api_key_store import KeysUnavailableError
from tenants.api_keys import ApiKey, Role
from tenants.audit import address_of
from tenants.key_checker import KeyChecker, KeyRefusedError

log = structlog.get_logger()

BURST_S: Final = 5
"""So many seconds' worth of requests may come at once."""
KEYS_OF_AN_ADDRESS: Final = 3
"""An address may ask as often as so many keys."""
SCHEME: Final = "bearer"


class Principal(Struct, frozen=True, kw_only=True):
    """Whose key it is. `tenant_id` is None for the platform's."""

    key_id: ApiKeyId
    role: Role
    tenant_id: TenantId | None
    address: str = ""
    """From which it was asked; empty where that is no IP address."""

    @property
    def of_platform(self) -> bool:
        return self.tenant_id is None

    @property
    def may_change(self) -> bool:
        return self.role in ("platform-admin", "tenant-admin")


class KeyDoor:
    """Lets requests in. One for each process: it remembers who asks too often and who guesses."""

    def __init__(self, checker: Callable[[], KeyChecker], clock: Clock, per_s: int) -> None:
        """`checker` raises the Refusal `unavailable` while the service starts. `per_s`: requests with one key."""
        self._checker = checker
        self._clock = clock
        of_address = KEYS_OF_AN_ADDRESS * per_s
        self._addresses = Buckets(of_address, BURST_S * of_address)
        self._keys = Buckets(per_s, BURST_S * per_s)
        self._guesses = Guesses()

    async def principal(self, host: str, authorization: str | None) -> Principal:
        """Whose request it is. Raises the Refusals `unauthenticated`, `too-many-requests`, `unavailable`."""
        address = address_name(host)
        self._paced(self._addresses, address)
        scheme, _, text = (authorization or "").partition(" ")
        if scheme.lower() != SCHEME or not text.strip():
            raise unauthenticated()
        key = await self._checked(address, text.strip())
        self._paced(self._keys, key.id)
        return Principal(key_id=key.id, role=key.role, tenant_id=key.tenant_id, address=address_of(host))

    async def _checked(self, address: str, text: str) -> ApiKey:
        at = self._clock.monotonic()
        locked_s = self._guesses.locked_s(address, at)
        checker = self._checker()
        if locked_s and not checker.opened_lately(text):  # who shares the address and has a key is not shut out
            raise too_many(locked_s, "too many wrong keys came from this address: for now it is locked out")
        try:
            return await checker.check(text)
        except KeyRefusedError as error:
            log.warning("an API key was refused", address=address, reason=error.reason, key=error.key_id)
            self._guesses.wrong(address, at)
            raise unauthenticated() from None
        except KeysUnavailableError as error:
            raise Refusal("unavailable", "the database does not answer", headers={"Retry-After": "5"}) from error

    def _paced(self, buckets: Buckets, name: str) -> None:
        if wait_s := buckets.take(name, self._clock.monotonic()):
            raise too_many(wait_s, "more requests come than ATENDE_API_REQUESTS_PER_S allows")


def unauthenticated() -> Refusal:
    """The same words for every reason."""
    return Refusal(
        "unauthenticated", "send `Authorization: Bearer KEY`", headers={"WWW-Authenticate": 'Bearer realm="atende"'}
    )


def too_many(wait_s: float, why: str) -> Refusal:
    """Come again in so many seconds."""
    whole_s = max(1, math.ceil(wait_s))
    return Refusal("too-many-requests", f"{why}; come again in {whole_s} s", headers={"Retry-After": str(whole_s)})


class KeyAuthentication(AbstractAuthenticationMiddleware):
    """`request.user` is a Principal."""

    def __init__(self, app: ASGIApp, door: KeyDoor) -> None:
        super().__init__(app, exclude_http_methods=())  # OPTIONS, too: its guards ask who it is
        self._door = door

    async def authenticate_request(self, connection: ASGIConnection[Any, Any, Any, Any]) -> AuthenticationResult:
        host = connection.client.host if connection.client is not None else ""
        principal = await self._door.principal(host, connection.headers.get("authorization"))
        return AuthenticationResult(user=principal, auth=None)


def may_read(connection: ASGIConnection[Any, Any, Any, Any], _: BaseRouteHandler) -> None:
    """Guard: every role."""
    assert isinstance(connection.user, Principal)


def may_change(connection: ASGIConnection[Any, Any, Any, Any], _: BaseRouteHandler) -> None:
    """Guard: administrators, of the platform and of the tenant."""
    if not connection.user.may_change:
        raise Refusal("forbidden", "this needs an administrator's key")


def platform_may_read(connection: ASGIConnection[Any, Any, Any, Any], _: BaseRouteHandler) -> None:
    """Guard: the platform's keys, of either role."""
    if not connection.user.of_platform:
        raise Refusal("forbidden", "this needs a key of the platform")


def platform_may_change(connection: ASGIConnection[Any, Any, Any, Any], _: BaseRouteHandler) -> None:
    """Guard: the platform's administrators."""
    if connection.user.role != "platform-admin":
        raise Refusal("forbidden", "this needs a key of the platform's administrator")


def own(principal: Principal, tenant_id: UUID) -> TenantId:
    """The tenant of an address. Raises the Refusal `not-found` for another tenant's than the key's."""
    asked = TenantId(str(tenant_id))
    if principal.tenant_id not in (None, asked):
        raise not_found()
    return asked


def scope(principal: Principal, domain_uuid: UUID | None) -> TenantId | None:
    """Of which tenant a list is; None: of all, which only the platform's keys see.

    The tenant comes from the key; one that is named must be the same. Raises the Refusal `not-found` for another.
    """
    return principal.tenant_id if domain_uuid is None else own(principal, domain_uuid)


def one_tenant(principal: Principal, domain_uuid: UUID | None) -> TenantId:
    """Of which tenant a list is that has to be of one. Raises the Refusals `bad-request` and `not-found`."""
    found = scope(principal, domain_uuid)
    if found is None:
        told = FieldError(path="domain_uuid", message="a key of the platform has to say which tenant: domain_uuid=UUID")
        raise Refusal("bad-request", errors=[told])
    return found
