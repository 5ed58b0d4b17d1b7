"""A tenant's secrets as `atende secret` works on them: by way of a service's REST API, or in the database."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Protocol
from uuid import UUID

import click
import msgspec
from msgspec import Struct

from base.clock import SystemClock
from base.ids import TenantId
from base.secret import Secret
from control.cli.context import program
from control.cli.remote import Remote, remote
from control.cli.stored import run, stores
from control.cli.where import BESIDE, is_local
from control.cli.whose import operator, tenant_named
from control.secret_access import ring_source
from control.settings import Settings
from tenants.audit import NOTHING, State
from tenants.auditing import audited
from tenants.master_keys import read_ring
from tenants.secret_files import forget_file
from tenants.secret_rows import SecretInfo
from tenants.secrets import TenantSecrets


class Use(Struct, frozen=True):
    """A place in the document that names a secret."""

    path: str


class ShownSecret(Struct, frozen=True):
    """A secret without its value. `version` is None for one that the document names and nobody has set."""

    name: str
    version: int | None = None
    created_at: datetime | None = None
    created_by: str = ""
    uses: tuple[Use, ...] | None = None
    """None: the database alone does not tell."""


class How(Struct, frozen=True, kw_only=True):
    """How a secret is to be set. All but `untested` is for a service to do."""

    dry_run: bool = False
    untested: bool = False
    swap: str | None = None


class _Listed(Struct, frozen=True):
    items: tuple[ShownSecret, ...]
    missing: tuple[ShownSecret, ...]


class _Put(Struct, frozen=True):
    version: int
    changed: bool
    tried: bool


class SecretDesk(Protocol):
    """One tenant's secrets. All raise ClickException."""

    def set(self, name: str, value: Secret, how: How) -> str:
        """The words that say what became of it."""
        ...

    def listed(self) -> Sequence[ShownSecret]:
        """All of them, by name."""
        ...

    def remove(self, name: str) -> None:
        """Its value is erased."""
        ...


@contextmanager
def secret_desk(context: click.Context, slug: str | None, written_id: UUID | None) -> Iterator[SecretDesk]:
    """That of the tenant of the options, by the rule of `where`. Raises ClickException."""
    if is_local(context):
        settings = program(context).settings
        if slug is None and written_id is None:
            raise click.UsageError("give --tenant or --tenant-id, one of the two")
        tenant_id = tenant_named(settings, slug, written_id)
        assert tenant_id is not None
        yield _Stored(settings, tenant_id, slug)
    else:
        with remote(context, BESIDE) as service:
            yield _Asked(service, service.one_tenant(slug, written_id))


class _Asked:
    """By way of the REST API: a value is tried before it is kept."""

    def __init__(self, service: Remote, tenant_id: str) -> None:
        self._service = service
        self._path = f"/tenants/{tenant_id}/secrets"

    def set(self, name: str, value: Secret, how: How) -> str:
        query = {"dry_run": how.dry_run or None, "untested": how.untested or None, "swap": how.swap}
        asked = {key: "true" if given is True else given for key, given in query.items()}
        sent = value.reveal().encode()
        plain = {"Content-Type": "text/plain; charset=utf-8"}
        answer = self._service.ask("PUT", f"{self._path}/{name}", query=asked, content=sent, headers=plain)
        put = msgspec.json.decode(answer.content, type=_Put)
        if not put.changed:
            return f"version {put.version} has this value: nothing changes"
        tried = "tried, and " if put.tried else ""
        return f"{tried}would be version {put.version}" if how.dry_run else f"{tried}kept as version {put.version}"

    def listed(self) -> Sequence[ShownSecret]:
        found = self._service.get(_Listed, self._path)
        return sorted((*found.items, *found.missing), key=lambda one: one.name)

    def remove(self, name: str) -> None:
        self._service.ask("DELETE", f"{self._path}/{name}")


class _Stored:
    """In the database of the settings: a value is kept as it is."""

    def __init__(self, settings: Settings, tenant_id: TenantId, slug: str | None) -> None:
        self._settings = settings
        self._tenant_id = tenant_id
        self._slug = slug

    def set(self, name: str, value: Secret, how: How) -> str:
        if how.dry_run or how.swap is not None:
            raise click.UsageError("--dry-run and --swap are for a service to do; the database keeps a value as it is")
        info, changed = run(self._put(name, value))
        what = (
            f"kept as version {info.version}" if changed else f"version {info.version} has this value: nothing changes"
        )
        return f"{what}; write {{secret: {name}}} in the document of {self._slug or self._tenant_id}"

    def listed(self) -> Sequence[ShownSecret]:
        async def found() -> Sequence[SecretInfo]:
            async with stores(self._settings) as store:
                return await store.secrets.list(self._tenant_id)

        return [msgspec.convert(msgspec.to_builtins(one), ShownSecret) for one in run(found())]

    def remove(self, name: str) -> None:
        run(self._remove(name))

    async def _put(self, name: str, value: Secret) -> tuple[SecretInfo, bool]:
        settings, tenant_id, clock = self._settings, self._tenant_id, SystemClock()
        async with stores(settings, make=True) as store:
            secrets = TenantSecrets(store.secrets, await read_ring(ring_source(settings)))
            by = " ".join(filter(None, (operator().kind, operator().id)))
            former = await store.secrets.newest(tenant_id, name)
            before = NOTHING if former is None or former.value is None else State(version=former.info.version)
            row, changed = await secrets.next(tenant_id, name, value, at=clock.now(), by=by)
            if changed:
                async with audited(
                    store.audit, clock, tenant_id, operator(), "secret.put", name, before=before
                ) as result:
                    await secrets.keep(tenant_id, row)
                    result.after = State(version=row.info.version)
            # One of a former version would be told of at each start: what is set here counts.
            await asyncio.to_thread(forget_file, settings.data_dir, tenant_id, name)
            return row.info, changed

    async def _remove(self, name: str) -> None:
        async with stores(self._settings) as store:
            clock = SystemClock()
            newest = await store.secrets.newest(self._tenant_id, name)
            if newest is None or newest.value is None:
                raise click.ClickException(f"there is no secret {name!r}; `atende secret list` tells those there are")
            before = State(version=newest.info.version)
            async with audited(store.audit, clock, self._tenant_id, operator(), "secret.remove", name, before=before):
                await store.secrets.remove(self._tenant_id, name, clock.now())
