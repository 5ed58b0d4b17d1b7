"""The audit log as `atende audit` reads it: by way of a service's REST API, or in the database."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any, Final, Protocol
from uuid import UUID

import click
import msgspec
from msgspec import Struct

from base.ids import TenantId
from control.cli.remote import Remote
from control.cli.stored import Stores, run, stores
from control.cli.where import desk
from control.settings import Settings
from tenants.audit import AuditEntry, Link, Verdict
from tenants.audit_checks import fault_of
from tenants.audit_store import Chain

CHAINS: Final = 200


class By(Struct, frozen=True, omit_defaults=True):
    """Who made a change."""

    kind: str
    id: str = ""
    role: str | None = None
    address: str = ""
    request_id: str = ""


class ShownEntry(Struct, frozen=True):
    """An entry as the REST API shows it."""

    tenant_id: str | None
    number: int
    at: datetime
    actor: By
    action: str
    outcome: str
    digest: str
    object: str = ""
    begun_as: int = 0
    before: dict[str, Any] = {}
    after: dict[str, Any] = {}


class ShownVerdict(Struct, frozen=True):
    """What became of verifying a chain."""

    tenant_id: str | None
    held_to: int
    digest: str
    fault: str | None = None
    next: str | None = None


class _Whose(Struct, frozen=True):
    tenant_id: str | None


class AuditDesk(Protocol):
    """One owner's chain, or the platform's. All raise ClickException."""

    def listed(self, limit: int, before: int | None) -> Sequence[ShownEntry]:
        """At most so many, the newest first."""
        ...

    def verified(self, kept: Link | None) -> ShownVerdict:
        """Whether its chain holds."""
        ...

    def all_verified(self) -> Sequence[ShownVerdict]:
        """Whether everybody's do."""
        ...


@contextmanager
def audit_desk(context: click.Context, slug: str | None, written_id: UUID | None) -> Iterator[AuditDesk]:
    """That of the tenant of the options, or the platform's, by the rule of `where`. Raises ClickException."""
    with desk(context, slug, written_id, _Stored, _Asked) as found:
        yield found


class _Asked:
    """By way of the REST API."""

    def __init__(self, service: Remote, tenant_id: str | None) -> None:
        self._service = service
        self._tenant_id = tenant_id

    def listed(self, limit: int, before: int | None) -> Sequence[ShownEntry]:
        return list(self._service.pages(ShownEntry, "/audit", limit, domain_uuid=self._tenant_id, before=before))

    def verified(self, kept: Link | None) -> ShownVerdict:
        return self._verified(self._tenant_id, kept)

    def all_verified(self) -> Sequence[ShownVerdict]:
        return [self._verified(one.tenant_id, None) for one in self._service.pages(_Whose, "/audit/chains")]

    def _verified(self, tenant_id: str | None, kept: Link | None) -> ShownVerdict:
        known = None if kept is None else f"{kept.number}:{kept.digest}"
        cursor = None
        while True:
            query = {"domain_uuid": tenant_id, "kept": known, "cursor": cursor}
            part = self._service.get(ShownVerdict, "/audit/verification", **query)
            if (cursor := part.next) is None:
                return part


class _Stored:
    """In the database of the settings."""

    def __init__(self, settings: Settings, tenant_id: TenantId | None) -> None:
        self._settings = settings
        self._tenant_id = tenant_id

    def listed(self, limit: int, before: int | None) -> Sequence[ShownEntry]:
        async def found() -> Sequence[AuditEntry]:
            async with stores(self._settings) as store:
                return await store.audit.list(self._tenant_id, limit, before)

        return [_shown(entry) for entry in run(found())]

    def verified(self, kept: Link | None) -> ShownVerdict:
        async def found() -> ShownVerdict:
            async with stores(self._settings) as store:
                return await _verdict(store, self._tenant_id, kept)

        return run(found())

    def all_verified(self) -> Sequence[ShownVerdict]:
        return run(self._each())

    async def _each(self) -> list[ShownVerdict]:
        found: list[ShownVerdict] = []
        last: Chain | None = None
        async with stores(self._settings) as store:
            while chains := await store.audit.chains(CHAINS, last):
                found += [await _verdict(store, chain, None) for chain in chains]
                last = Chain(chains[-1])
        return found


async def _verdict(store: Stores, tenant_id: TenantId | None, kept: Link | None) -> ShownVerdict:
    verdict: Verdict = await store.audit.verify(tenant_id)
    fault = await fault_of(store.audit, verdict, 0, kept)
    return ShownVerdict(tenant_id, verdict.held_to, verdict.digest, fault or None)


def _shown(entry: AuditEntry) -> ShownEntry:
    told = {"tenant_id": entry.tenant_id, "number": entry.number, "digest": entry.digest}
    return msgspec.convert({**msgspec.to_builtins(entry.change), **told}, ShownEntry)
