"""The audit log as `atende audit --local` reads it: in the database."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec

from base.ids import TenantId
from control.cli.audit_desks import ShownEntry, ShownVerdict
from control.cli.stored import Stores, run, stores
from control.settings import Settings
from tenants.audit import AuditEntry, Link, Verdict
from tenants.audit_checks import fault_of
from tenants.audit_store import Chain

CHAINS: Final = 200


class StoredAudit:
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
