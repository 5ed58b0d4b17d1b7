"""API keys as `atende keys` works on them: by way of a service's REST API, or in the database."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Final, Protocol
from uuid import UUID

import click
import msgspec
from msgspec import Struct

from base.clock import SystemClock
from base.ids import ApiKeyId, TenantId
from base.secret import Secret
from control.cli.remote import Remote
from control.cli.stored import run, stores
from control.cli.where import desk
from control.cli.whose import operator
from control.settings import Settings
from tenants.api_key_store import place_of
from tenants.api_keys import PLATFORM_ROLES, ApiKey, Role, new_key
from tenants.audit import State
from tenants.auditing import audited
from tenants.key_checker import FRESH_S
from tenants.keys import api_key_pepper

PAGE: Final = 200


class ShownKey(Struct, frozen=True):
    """A key as the REST API shows it."""

    key: str
    role: str
    name: str
    tenant_id: str | None
    created_at: datetime
    expires_at: datetime | None = None
    last_used_at: datetime | None = None
    revoked_at: datetime | None = None

    def state(self, at: datetime) -> str:
        """Whether it opens at that time."""
        if self.revoked_at is not None:
            return "revoked"
        return "expired" if self.expires_at is not None and at >= self.expires_at else "good"


class _Made(Struct, frozen=True):
    secret: str
    made: ShownKey


class KeyDesk(Protocol):
    """One owner's keys, or the platform's. All raise ClickException."""

    def create(self, role: Role, name: str, expires_days: int | None) -> tuple[Secret, str]:
        """The whole text of a new key, and its id."""
        ...

    def listed(self) -> Sequence[ShownKey]:
        """All of them."""
        ...

    def revoke(self, key_id: str) -> str:
        """It opens nothing any more; the words that say since when."""
        ...


@contextmanager
def key_desk(context: click.Context, slug: str | None, written_id: UUID | None) -> Iterator[KeyDesk]:
    """That of the tenant of the options, or the platform's, by the rule of `where`. Raises ClickException."""
    with desk(context, slug, written_id, lambda settings, whose: _Stored(settings, whose, slug), _Asked) as found:
        yield found


class _Asked:
    """By way of the REST API."""

    def __init__(self, service: Remote, tenant_id: str | None) -> None:
        self._service = service
        self._tenant_id = tenant_id

    def create(self, role: Role, name: str, expires_days: int | None) -> tuple[Secret, str]:
        wish = {"role": role, "name": name, "domain_uuid": self._tenant_id, "expires_days": expires_days}
        made = msgspec.json.decode(self._service.ask("POST", "/keys", json=wish).content, type=_Made)
        return Secret(made.secret), made.made.key

    def listed(self) -> Sequence[ShownKey]:
        return list(self._service.pages(ShownKey, "/keys", domain_uuid=self._tenant_id))

    def revoke(self, key_id: str) -> str:
        self._service.ask("DELETE", f"/keys/{key_id}", query={"domain_uuid": self._tenant_id})
        return f"revoked; other processes refuse it after {FRESH_S:.0f} s at most"


class _Stored:
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
