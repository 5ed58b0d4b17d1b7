"""API keys: made, listed, revoked. The text of a key is in one answer only, that of its making."""

from datetime import UTC, datetime, timedelta
from typing import Annotated
from uuid import UUID

from litestar import Controller, delete, get, post
from litestar.params import JSONBody, PathParameter
from litestar.status_codes import HTTP_201_CREATED, HTTP_204_NO_CONTENT
from msgspec import Meta, Struct

from base.ids import ApiKeyId, TenantId
from control.api.access import Principal, may_change, may_read, own, scope
from control.api.audited import change
from control.api.described import Acts
from control.api.given import Asker, DomainUuid, Running
from control.api.mistakes import KEY_PATTERN
from control.api.pages import CursorText, Limit, Page, read, written
from control.api.problems import FieldError, Refusal, answers, not_found
from tenants.api_key_store import KeyPlace, TenantUnpublishedError, TooManyKeysError, place_of
from tenants.api_keys import MAX_NAME_CHARS, ApiKey, KeyInvalidError, Role, new_key
from tenants.audit import State

KeyPath = Annotated[str, PathParameter(pattern=KEY_PATTERN, description="Its visible part.")]


class _Behind(Struct, frozen=True):
    """A cursor as it came back: somebody may have written it himself."""

    revoked: bool
    created_at: Annotated[datetime, Meta(tz=True)]
    id: Annotated[str, Meta(pattern=r"^[a-z2-7]{12}\Z")]

    def __post_init__(self) -> None:
        self.created_at.astimezone(UTC)  # raises OverflowError beyond what a database has


class Whose(Struct, frozen=True, kw_only=True):
    """Who asks."""

    key: str
    role: Role
    tenant_id: TenantId | None
    """Its `domain_uuid`; null: the platform."""


class NewKey(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A key that is wished for."""

    role: Role
    name: Annotated[str, Meta(min_length=1, max_length=MAX_NAME_CHARS)]
    """What it is for."""
    domain_uuid: UUID | None = None
    """The tenant, for a tenant's role. A tenant's key may leave it out."""
    expires_days: Annotated[int, Meta(ge=1, le=3650)] | None = None
    """null: it does not expire."""


class KeyView(Struct, frozen=True, kw_only=True):
    """A key as it may be shown."""

    key: str
    """Its visible part, behind `atende_`."""
    role: Role
    name: str
    tenant_id: TenantId | None
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None
    """Told to the minute."""
    revoked_at: datetime | None


class MadeKey(Struct, frozen=True, kw_only=True):
    """A new key. `secret` is the whole text, shown now and never again."""

    secret: str
    made: KeyView


class WhoController(Controller):
    """`/whoami`: the key's own role and tenant."""

    path = "/whoami"
    tags = ("Keys",)
    guards = (may_read,)

    @get("/", summary="Whose key this is", responses=answers("not-found"))
    async def whoami(self, asker: Asker) -> Whose:
        """To try a key with."""
        return Whose(key=asker.key_id, role=asker.role, tenant_id=asker.tenant_id)


class KeysController(Controller):
    """`/keys`: for administrators; a tenant's sees its own tenant's."""

    path = "/keys"
    tags = ("Keys",)
    guards = (may_change,)

    @get(
        "/",
        summary="Keys: those that are not revoked first, the newest first",
        responses=answers("forbidden", "not-found"),
    )
    async def list_keys(
        self,
        asker: Asker,
        running: Running,
        domain_uuid: DomainUuid = None,
        limit: Limit = 50,
        cursor: CursorText = None,
    ) -> Page[KeyView]:
        """Of the tenant; of the platform when a key of the platform names none."""
        place: _Behind | None = read(cursor, _Behind)
        behind = None if place is None else KeyPlace(place.revoked, place.created_at, ApiKeyId(place.id))
        found = await running.api_keys.store.list(scope(asker, domain_uuid), limit + 1, behind)
        page = found[:limit]
        more = len(found) > limit
        return Page(items=[_view(key) for key in page], next=written(place_of(page[-1])) if more else None)

    @post(
        "/",
        status_code=HTTP_201_CREATED,
        summary="Make a key",
        responses=answers(
            "forbidden", "not-found", "conflict", "too-large", "unsupported-media-type", "idempotency-key-reused"
        ),
        operation_class=Acts,
    )
    async def make_key(self, data: JSONBody[NewKey], asker: Asker, running: Running) -> MadeKey:
        """A tenant's administrator makes keys of that tenant, the platform's of all."""
        tenant_id = _for_whom(data, asker)
        if tenant_id is not None and not await running.publishing.revisions(tenant_id, limit=1):
            raise not_found()
        now = running.clock.now()
        expires = None if data.expires_days is None else now + timedelta(days=data.expires_days)
        try:
            row, text = new_key(
                tenant_id, data.role, data.name, pepper=running.api_keys.pepper, created_at=now, expires_at=expires
            )
            after = State(role=data.role, expires_at=expires)
            async with change(running, asker, tenant_id, "key.create", row.key.id) as result:
                await running.api_keys.store.add(tenant_id, row)
                result.after = after
        except KeyInvalidError as error:
            raise _misfit("$.name", str(error)) from error
        except TooManyKeysError as error:
            raise Refusal("conflict", str(error)) from error
        except TenantUnpublishedError as error:
            raise not_found() from error
        return MadeKey(secret=text.reveal(), made=_view(row.key))

    @delete(
        "/{key:str}",
        status_code=HTTP_204_NO_CONTENT,
        summary="Revoke a key",
        responses=answers("forbidden", "not-found"),
    )
    async def revoke_key(self, key: KeyPath, asker: Asker, running: Running, domain_uuid: DomainUuid = None) -> None:
        """It is refused from then on: at once by this process, within seconds by others."""
        tenant_id = scope(asker, domain_uuid)
        there = await running.api_keys.store.find(ApiKeyId(key))
        if there is None or there.key.tenant_id != tenant_id:
            raise not_found()  # and nothing to be written down
        async with change(running, asker, tenant_id, "key.revoke", key):
            if not await running.api_keys.checker.revoke(tenant_id, ApiKeyId(key)):
                raise not_found()


def _for_whom(data: JSONBody[NewKey], asker: Principal) -> TenantId | None:
    of_platform = data.role.startswith("platform-")
    if of_platform and not asker.of_platform:
        raise Refusal("forbidden", "a tenant's key makes keys of its tenant only")
    if of_platform:
        if data.domain_uuid is not None:
            raise _misfit("$.domain_uuid", "a platform role is of no tenant; leave it out")
        return None
    tenant_id = asker.tenant_id if data.domain_uuid is None else own(asker, data.domain_uuid)
    if tenant_id is None:
        raise _misfit("$.domain_uuid", "a tenant's role needs its tenant")
    return tenant_id


def _misfit(path: str, message: str) -> Refusal:
    return Refusal("bad-request", errors=[FieldError(path=path, message=message)])


def _view(key: ApiKey) -> KeyView:
    return KeyView(
        key=key.id,
        role=key.role,
        name=key.name,
        tenant_id=key.tenant_id,
        created_at=key.created_at,
        expires_at=key.expires_at,
        last_used_at=key.last_used_at,
        revoked_at=key.revoked_at,
    )
