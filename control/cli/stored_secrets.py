"""A tenant's secrets as `atende secret --local` works on them: in the database."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import click
import msgspec

from base.clock import SystemClock
from base.ids import TenantId
from base.secret import Secret
from control.cli.secret_desks import How, ShownSecret
from control.cli.stored import run, stores
from control.cli.whose import operator
from control.secret_access import ring_source
from control.settings import Settings
from tenants.audit import NOTHING, State
from tenants.auditing import audited
from tenants.master_keys import read_ring
from tenants.secret_files import forget_file
from tenants.secret_rows import SecretInfo
from tenants.secrets import TenantSecrets


class StoredSecrets:
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
