"""The audit log as `atende audit` reads it: by way of a service's REST API, or in the database."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Any, Protocol
from uuid import UUID

import click
from msgspec import Struct

from control.cli.remote import Remote
from control.cli.where import desk
from tenants.audit import Link

if TYPE_CHECKING:
    from base.ids import TenantId
    from control.cli.stored_audit import StoredAudit
    from control.settings import Settings


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

    def stored(settings: Settings, whose: TenantId | None) -> StoredAudit:
        from control.cli.stored_audit import StoredAudit  # brings the database

        return StoredAudit(settings, whose)

    with desk(context, slug, written_id, stored, _Asked) as found:
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
