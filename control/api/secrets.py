"""A tenant's secrets: set, listed, removed. A value goes in by a PUT, and comes out nowhere."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Final

import msgspec
from litestar import Controller, Request, delete, get, put
from litestar.params import PathParameter, QueryParameter
from litestar.status_codes import HTTP_204_NO_CONTENT
from msgspec import Struct, structs

from base.ids import TenantId
from base.secret import Secret
from control.api.access import may_change, own
from control.api.audited import change
from control.api.bodies import SECRET, body_of
from control.api.described import JSON, TakesSecret
from control.api.given import Asker, Running, TenantPath
from control.api.mistakes import NAME_PATTERN, PATTERNS
from control.api.pages import Below, CursorText, Limit, Page, below, written
from control.api.problems import FieldError, Refusal, answers, located, not_found
from control.api.publishing import SwapText
from control.service import Service
from tenants.audit import NOTHING, State
from tenants.put_errors import NotReadyError
from tenants.secret_desk import SecretInUseError, SecretUnknownError
from tenants.secret_rows import SecretInfo, TooManySecretsError, VersionTakenError, is_secret_name
from tenants.secret_uses import SecretUse
from tenants.secrets import SecretValueError

NamePath = Annotated[str, PathParameter(pattern=NAME_PATTERN, description="As `{secret: name}` in the document.")]
TryRun = Annotated[bool, QueryParameter(description="Try it, and keep nothing.")]
Untested = Annotated[bool, QueryParameter(description="Keep it without trying to load the tenant with it.")]
_PUTTING: Final = answers("forbidden", "not-found", "conflict", "too-large", "unsupported-media-type", "not-loadable")


class _Value(Struct, frozen=True, forbid_unknown_fields=True):
    """The body, where it is JSON."""

    value: str


class UseView(Struct, frozen=True, kw_only=True):
    """A place in the document that names a secret."""

    path: str
    """`$.path` of it."""
    assistant: str | None
    """Whose stage it is; null: of no one assistant's."""
    stage: str | None
    """The stage's id."""


class SecretView(Struct, frozen=True, kw_only=True):
    """A secret, without its value."""

    name: str
    version: int
    """From 1; none is given twice."""
    created_at: datetime
    created_by: str
    """`key ID`, `command line USER`, or `service`, which took it over from a file."""
    uses: Sequence[UseView]
    """Where the tenant's document as it stands names it."""


class MissingView(Struct, frozen=True, kw_only=True):
    """A secret that the document names and nobody has set."""

    name: str
    uses: Sequence[UseView]


class SecretsView(Struct, frozen=True, kw_only=True):
    """A tenant's secrets."""

    items: Sequence[SecretView]
    missing: Sequence[MissingView]


class VersionView(Struct, frozen=True, kw_only=True):
    """One version of a secret."""

    version: int
    created_at: datetime
    created_by: str
    erased_at: datetime | None
    """When its value was erased: by the next version, or with the secret; null: it counts."""


class PutView(Struct, frozen=True, kw_only=True):
    """What became of a value; of a dry run what would."""

    name: str
    version: int
    changed: bool
    """false: it is the value that was there, and nothing was touched."""
    tried: bool
    """Whether the tenant was loaded with it; not where nothing that answers needs it."""
    dry_run: bool = False
    """true: nothing was kept."""


class SecretsController(Controller):
    """`/tenants/{domain_uuid}/secrets`: for administrators; a tenant's for its own tenant."""

    path = "/tenants/{tenant_id:uuid}/secrets"
    tags = ("Secrets",)
    guards = (may_change,)

    @get("/", summary="Secrets, without their values", responses=answers("forbidden", "not-found"))
    async def list_secrets(self, tenant_id: TenantPath, asker: Asker, running: Running) -> SecretsView:
        """With where the document as it stands names them, and which of those it names are missing."""
        asked = own(asker, tenant_id)
        listed = await running.secrets.listed(asked)
        if not listed.kept and not listed.uses and not await running.publishing.revisions(asked, limit=1):
            raise not_found()
        return SecretsView(
            items=[
                SecretView(
                    name=one.name,
                    version=one.version,
                    created_at=one.created_at,
                    created_by=one.created_by,
                    uses=_of(one.name, listed.uses),
                )
                for one in listed.kept
            ],
            missing=[MissingView(name=name, uses=_of(name, listed.uses)) for name in listed.missing],
        )

    @put("/{name:str}", operation_class=TakesSecret, summary="Set a secret", responses=_PUTTING)
    async def put_secret(
        self,
        tenant_id: TenantPath,
        name: NamePath,
        request: Request[Any, Any, Any],
        asker: Asker,
        running: Running,
        dry_run: TryRun = False,
        untested: Untested = False,
        swap: SwapText = None,
    ) -> PutView:
        """What answers is made ready with the value first, then the value is kept and used; 16 KiB at the most.

        With a value with which that cannot be done nothing is changed.
        """
        asked, value = own(asker, tenant_id), _value(*await body_of(request, SECRET))
        if not is_secret_name(name):  # a line's end behind it, which a pattern lets through
            raise Refusal("bad-request", errors=[FieldError(path="name", message=PATTERNS[NAME_PATTERN])])
        by, before = f"key {asker.key_id}", await _state(running, asked, name)
        put = running.secrets.put
        try:
            if dry_run:
                done = await put(asked, name, value, by=by, dry_run=True, untested=untested)
            else:
                async with change(running, asker, asked, "secret.put", name, before=before) as result:
                    done = await put(asked, name, value, by=by, untested=untested, swap=swap)
                    result.after = State(version=done.info.version)
        except SecretValueError as error:
            raise _misfit(error) from None
        except NotReadyError as error:
            raise Refusal("not-loadable", errors=located(error.problems)) from error
        except (TooManySecretsError, VersionTakenError) as error:
            raise Refusal("conflict", str(error)) from error
        return PutView(name=name, version=done.info.version, changed=done.changed, tried=done.tried, dry_run=dry_run)

    @delete(
        "/{name:str}",
        status_code=HTTP_204_NO_CONTENT,
        summary="Erase a secret",
        responses=answers("forbidden", "not-found", "conflict"),
    )
    async def remove_secret(self, tenant_id: TenantPath, name: NamePath, asker: Asker, running: Running) -> None:
        """One that the document names, or what answers was made with, stays."""
        asked = own(asker, tenant_id)
        before = await _state(running, asked, name)
        if before == NOTHING:
            raise not_found()  # and nothing to be written down
        try:
            async with change(running, asker, asked, "secret.remove", name, before=before):
                await running.secrets.remove(asked, name)
        except SecretUnknownError as error:
            raise not_found() from error
        except SecretInUseError as error:
            raise Refusal("conflict", str(error)) from error

    @get("/{name:str}/versions", summary="Versions, the newest first", responses=answers("forbidden", "not-found"))
    async def versions(
        self,
        tenant_id: TenantPath,
        name: NamePath,
        asker: Asker,
        running: Running,
        limit: Limit = 50,
        cursor: CursorText = None,
    ) -> Page[VersionView]:
        """Of a secret that was removed, too. Only the newest may have a value still."""
        before = below(cursor)
        try:
            found = await running.secrets.history(own(asker, tenant_id), name, limit, before)
        except SecretUnknownError as error:
            raise not_found() from error
        items = [_version(one) for one in found]
        return Page(items=items, next=written(Below(items[-1].version)) if len(items) == limit else None)


def _value(media_type: str, body: bytes) -> Secret:
    """Raises the Refusal `bad-request`, which quotes nothing of it."""
    try:
        return Secret(msgspec.json.decode(body, type=_Value).value if media_type == JSON else body.decode())
    except msgspec.ValidationError:
        told = '{"value": "…"} is wanted, and nothing else'
    except msgspec.DecodeError:
        told = "it is no JSON"
    except UnicodeDecodeError:
        told = "it is no text in UTF-8"
    raise Refusal("bad-request", errors=[FieldError(path="$", message=told)])


def _misfit(error: SecretValueError) -> Refusal:
    if error.too_large:
        return Refusal("too-large", str(error))
    return Refusal("bad-request", errors=[FieldError(path="$.value", message=str(error))])


async def _state(running: Service, tenant_id: TenantId, name: str) -> State:
    version = await running.secrets.version(tenant_id, name)
    return State(version=version) if version else NOTHING


def _of(name: str, uses: Sequence[SecretUse]) -> Sequence[UseView]:
    return [UseView(path=one.path, assistant=one.assistant, stage=one.stage) for one in uses if one.name == name]


def _version(info: SecretInfo) -> VersionView:
    return VersionView(**{name: value for name, value in structs.asdict(info).items() if name != "name"})
