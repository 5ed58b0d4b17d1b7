"""Whose keys or entries a command is about (a tenant's, by its slug or its id, or the platform's), and who runs it."""

import os
import pwd
from collections.abc import Callable
from datetime import datetime
from typing import Any
from uuid import UUID

import click

from base.ids import TenantId
from control.settings import Settings
from tenants.audit import Actor, ChangeInvalidError


def of_tenant(things: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Gives a command the options `slug` and `written_id`, for `tenant_named`."""

    def give(command: Callable[..., Any]) -> Callable[..., Any]:
        by_id = click.option(
            "--tenant-id", "written_id", type=click.UUID, help="The tenant's UUID, instead of --tenant."
        )
        by_slug = click.option(
            "--tenant", "slug", help=f"A tenant's slug (default: {things} of the key's tenant, or the platform's)."
        )
        return by_slug(by_id(command))

    return give


def tenant_named(settings: Settings, slug: str | None, written_id: UUID | None) -> TenantId | None:
    """The tenant of the options; None: the platform. Raises ClickException."""
    if slug is not None and written_id is not None:
        raise click.UsageError("give --tenant or --tenant-id, one of the two")
    if slug is None:
        return None if written_id is None else TenantId(str(written_id))
    from control.cli.tenant_files import written_tenant  # reads documents

    spec = written_tenant(slug, settings)
    try:
        return TenantId(str(UUID(spec.id)))
    except ValueError as error:
        raise click.ClickException(
            f"the document of {slug!r} has an id that is no UUID; `atende check` tells"
        ) from error


def operator() -> Actor:
    """Who runs the command: the user of the machine, where his name can be written down."""
    try:
        return Actor(kind="command line", id=pwd.getpwuid(os.getuid()).pw_name)
    except (KeyError, ChangeInvalidError):
        return Actor(kind="command line")


def minute(at: datetime | None) -> str:
    """A time for a column of a list."""
    return "-" if at is None else f"{at:%Y-%m-%d %H:%M}"
