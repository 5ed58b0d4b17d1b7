"""`atende keys`: make, list and revoke the keys of the operators' REST API, whether or not a service runs."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Final
from uuid import UUID

import click
import msgspec

from base.clock import SystemClock
from base.ids import ApiKeyId
from base.secret import Secret
from control.cli.context import program
from control.cli.stored import run, stores
from control.cli.whose import minute, of_tenant, operator, tenant_named
from tenants.api_keys import PLATFORM_ROLES, ROLES, ApiKey, Role, is_key_id, new_key
from tenants.audit import State
from tenants.auditing import audited
from tenants.key_checker import FRESH_S
from tenants.keys import api_key_pepper

_COLUMNS: Final = "{:<12}  {:<15}  {:<7}  {:<16}  {:<16}  {:<16}  {}"


@click.group("keys")
def keys_command() -> None:
    """Make, list and revoke keys of the REST API.

    Run it where the service runs, with its settings: a key is good where ATENDE_API_KEY_SECRET, or the file
    api-keys.secret of the data directory, is the same.
    """


@keys_command.command("create")
@click.option("--role", type=click.Choice(ROLES), required=True, help="What the key may do.")
@of_tenant("keys")
@click.option("--name", default="", help="What you call it, for the list.")
@click.option("--expires-days", type=click.IntRange(1, 3650), help="Days that it is good for (default: for ever).")
@click.pass_context
def create_command(
    context: click.Context, role: Role, slug: str | None, written_id: UUID | None, name: str, expires_days: int | None
) -> None:
    """Make a key and print it, this once."""
    settings = program(context).settings
    tenant_id = tenant_named(settings, slug, written_id)
    if (tenant_id is None) != (role in PLATFORM_ROLES):
        wrong = "needs --tenant or --tenant-id" if tenant_id is None else "goes with no tenant"
        raise click.UsageError(f"--role {role} {wrong}")

    async def create() -> tuple[ApiKey, Secret]:
        pepper, now = api_key_pepper(settings.data_dir, settings.api_key_secret), SystemClock().now()
        expires_at = None if expires_days is None else now + timedelta(days=expires_days)
        row, text = new_key(tenant_id, role, name, pepper=pepper, created_at=now, expires_at=expires_at)
        async with (
            stores(settings, make=True) as store,
            audited(store.audit, SystemClock(), tenant_id, operator(), "key.create", row.key.id) as result,
        ):
            await store.keys.add(tenant_id, row)
            result.after = State(role=role, expires_at=expires_at)
        return row.key, text

    key, text = run(create())
    click.echo(text.reveal())
    click.echo(f"The key {key.id} is shown this once: keep it where only its user can read it.", err=True)


@keys_command.command("list")
@of_tenant("keys")
@click.option("--json", "as_json", is_flag=True, help="One JSON array instead of lines.")
@click.pass_context
def list_command(context: click.Context, slug: str | None, written_id: UUID | None, as_json: bool) -> None:
    """List a tenant's keys, or the platform's. Times are in UTC."""
    settings = program(context).settings
    tenant_id = tenant_named(settings, slug, written_id)

    async def found() -> Sequence[ApiKey]:
        async with stores(settings, make=False) as store:
            return await store.keys.list(tenant_id, 1000)

    keys = run(found())
    if as_json:
        click.echo(msgspec.json.encode(keys).decode())
    elif keys:
        click.echo(_COLUMNS.format("id", "role", "state", "created", "expires", "last used", "name"))
        for key in keys:
            times = (minute(at) for at in (key.created_at, key.expires_at, key.last_used_at))
            state = key.lapse(SystemClock().now()) or "good"
            click.echo(_COLUMNS.format(key.id, key.role, state, *times, key.name).rstrip())
    else:
        click.echo("there are no keys", err=True)


@keys_command.command("revoke")
@click.argument("key_id", metavar="ID")
@of_tenant("keys")
@click.pass_context
def revoke_command(context: click.Context, key_id: str, slug: str | None, written_id: UUID | None) -> None:
    """Revoke a key, by the id that `create` and `list` tell: the 12 characters after atende_."""
    settings = program(context).settings
    tenant_id = tenant_named(settings, slug, written_id)
    if not is_key_id(key_id):  # and is not shown: it may be a whole key
        raise click.ClickException(
            "that is no key's id: it has 12 characters of a-z and 2-7, as `atende keys list` tells"
        )

    async def revoke() -> None:
        async with (
            stores(settings, make=False) as store,
            audited(store.audit, SystemClock(), tenant_id, operator(), "key.revoke", key_id),
        ):
            if not await store.keys.revoke(tenant_id, ApiKeyId(key_id), SystemClock().now()):
                whose = "the platform" if tenant_id is None else f"the tenant {slug or tenant_id}"
                raise click.ClickException(f"{whose} has no key {key_id}; `atende keys list` tells those there are")

    run(revoke())
    click.echo(f"revoked; a service that runs refuses it after {FRESH_S:.0f} s at most", err=True)
