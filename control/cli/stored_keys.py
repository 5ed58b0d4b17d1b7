"""API keys as `atende keys --local` works on them: in the database."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Final

import click
import msgspec

from base.clock import SystemClock
from base.ids import ApiKeyId, TenantId
from base.secret import Secret
from control.cli.key_desks import ShownKey
from control.cli.stored import run, stores
from control.cli.whose import operator
from control.settings import Settings
from tenants.api_key_store import place_of
from tenants.api_keys import FRESH_S, PLATFORM_ROLES, ApiKey, Role, new_key
from tenants.audit import State
from tenants.auditing import audited
from tenants.keys import api_key_pepper

PAGE: Final = 200


class StoredKeys:
    """In the database of the settings."""

    def __init__(self, settings: Settings, tenant_id: TenantId | None, slug: str | None) -> None:
        self._settings = settings
        self._tenant_id = tenant_id
        self._slug = slug

    def create(self, role: Role, name: str, expires_days: int | None) -> tuple[Secret, str]:
        if self._tenant_id is None and role not in PLATFORM_ROLES:
            raise click.UsageError(f"--role {role} needs --tenant or --tenant-id")
        return run(self._create(role, name, expires_days))

    def listed(self) -> Sequence[ShownKey]:
        return [_shown(key) for key in run(self._all())]

    def revoke(self, key_id: str) -> str:
        run(self._revoke(key_id))
        return f"revoked; a service that runs refuses it after {FRESH_S:.0f} s at most"

    async def _create(self, role: Role, name: str, expires_days: int | None) -> tuple[Secret, str]:
        settings, whose, now = self._settings, self._tenant_id, SystemClock().now()
        pepper = api_key_pepper(settings.data_dir, settings.api_key_secret)
        expires_at = None if expires_days is None else now + timedelta(days=expires_days)
        row, text = new_key(whose, role, name, pepper=pepper, created_at=now, expires_at=expires_at)
        async with (
            stores(settings, make=True) as store,
            audited(store.audit, SystemClock(), whose, operator(), "key.create", row.key.id) as result,
        ):
            await store.keys.add(whose, row)
            result.after = State(role=role, expires_at=expires_at)
        return text, row.key.id

    async def _all(self) -> list[ApiKey]:
        found: list[ApiKey] = []
        async with stores(self._settings) as store:
            while page := await store.keys.list(self._tenant_id, PAGE, place_of(found[-1]) if found else None):
                found += page
        return found

    async def _revoke(self, key_id: str) -> None:
        async with (
            stores(self._settings) as store,
            audited(store.audit, SystemClock(), self._tenant_id, operator(), "key.revoke", key_id),
        ):
            if not await store.keys.revoke(self._tenant_id, ApiKeyId(key_id), SystemClock().now()):
                whose = "the platform" if self._tenant_id is None else f"the tenant {self._slug or self._tenant_id}"
                raise click.ClickException(f"{whose} has no key {key_id}; `atende keys list` tells those there are")


def _shown(key: ApiKey) -> ShownKey:
    return msgspec.convert({**msgspec.to_builtins(key), "key": key.id}, ShownKey)
