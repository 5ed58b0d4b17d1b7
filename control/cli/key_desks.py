"""API keys as `atende keys` works on them: by way of a service's REST API, or in the database."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Protocol
from uuid import UUID

import click
import msgspec
from msgspec import Struct

from base.secret import Secret
from control.cli.remote import Remote
from control.cli.where import desk
from tenants.api_keys import FRESH_S, Role

if TYPE_CHECKING:
    from base.ids import TenantId
    from control.cli.stored_keys import StoredKeys
    from control.settings import Settings


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

    def stored(settings: Settings, whose: TenantId | None) -> StoredKeys:
        from control.cli.stored_keys import StoredKeys  # brings the database

        return StoredKeys(settings, whose, slug)

    with desk(context, slug, written_id, stored, _Asked) as found:
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
