"""A tenant's secrets as `atende secret` works on them: by way of a service's REST API, or in the database."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Protocol
from uuid import UUID

import click
import msgspec
from msgspec import Struct

from base.secret import Secret
from control.cli.context import program
from control.cli.remote import Remote, remote
from control.cli.where import BESIDE, is_local
from control.cli.whose import tenant_named


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
        from control.cli.stored_secrets import StoredSecrets  # brings the database

        settings = program(context).settings
        if slug is None and written_id is None:
            raise click.UsageError("give --tenant or --tenant-id, one of the two")
        tenant_id = tenant_named(settings, slug, written_id)
        assert tenant_id is not None
        yield StoredSecrets(settings, tenant_id, slug)
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
