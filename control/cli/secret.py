"""`atende secret`: keep a tenant's keys where its document can name them, whether or not a service runs."""

import asyncio
import sys
from collections.abc import Sequence
from typing import Final
from uuid import UUID

import click
import msgspec

from base.clock import SystemClock
from base.ids import TenantId
from base.secret import Secret
from control.cli.context import program
from control.cli.stored import has_database, run, stores
from control.cli.whose import minute, of_tenant, operator, tenant_named
from control.secret_access import ring_source
from control.settings import Settings
from tenants.audit import NOTHING, State
from tenants.auditing import audited
from tenants.master_keys import add_key, read_ring
from tenants.resealing import Resealed, reseal
from tenants.secret_files import forget_file
from tenants.secret_rows import MAX_SECRET_BYTES, SecretInfo, is_secret_name
from tenants.secrets import TenantSecrets

_COLUMNS: Final = "{:<30}  {:>7}  {:<16}  {}"


class SecretGroup(click.Group):
    """`atende secret --tenant SLUG NAME`, as it was called before there were other verbs, is `set`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """What is no verb of ours and no call for help is for `set`."""
        if args and args[0] not in (*self.commands, *self.get_help_option_names(ctx)):
            args = ["set", *args]
        return super().parse_args(ctx, args)


@click.group("secret", cls=SecretGroup)
def secret_command() -> None:
    """Set, list and remove the secrets of a tenant, and encrypt all of them with another master key.

    Run it where the service runs, with its settings.
    """


@secret_command.command("set")
@of_tenant("secrets")
@click.argument("name")
@click.pass_context
def set_command(context: click.Context, slug: str | None, written_id: UUID | None, name: str) -> None:
    """Set a secret of a tenant, read from the terminal (hidden) or from standard input.

    A document names it as `{secret: NAME}`. It is kept as it is, and not tried: the REST API does that, and `atende
    check --deep`. A service that runs takes it within seconds: for what answers, and for a document that it refused.
    """
    settings, tenant_id = _whose(context, slug, written_id)
    _named(name)
    value = _value()

    async def put() -> tuple[SecretInfo, bool]:
        async with stores(settings, make=True) as store:
            secrets, clock = TenantSecrets(store.secrets, await read_ring(ring_source(settings))), SystemClock()
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

    info, changed = run(put())
    what = f"kept as version {info.version}" if changed else f"version {info.version} has this value: nothing changes"
    click.echo(f"{what}; write {{secret: {name}}} in the document of {slug or tenant_id}")


@secret_command.command("list")
@of_tenant("secrets")
@click.option("--json", "as_json", is_flag=True, help="One JSON array instead of lines.")
@click.pass_context
def list_command(context: click.Context, slug: str | None, written_id: UUID | None, as_json: bool) -> None:
    """List a tenant's secrets, never their values. Times are in UTC."""
    settings, tenant_id = _whose(context, slug, written_id)

    async def found() -> Sequence[SecretInfo]:
        async with stores(settings) as store:
            return await store.secrets.list(tenant_id)

    listed = run(found())
    if as_json:
        click.echo(msgspec.json.encode(listed).decode())
    elif listed:
        click.echo(_COLUMNS.format("name", "version", "set", "by"))
        for one in listed:
            click.echo(_COLUMNS.format(one.name, one.version, minute(one.created_at), one.created_by))
    else:
        click.echo("there are no secrets", err=True)


@secret_command.command("remove")
@of_tenant("secrets")
@click.argument("name")
@click.pass_context
def remove_command(context: click.Context, slug: str | None, written_id: UUID | None, name: str) -> None:
    """Erase a secret's value. A document that names it cannot be loaded any more; what answers goes on."""
    settings, tenant_id = _whose(context, slug, written_id)
    _named(name)

    async def remove() -> None:
        async with stores(settings) as store:
            clock = SystemClock()
            newest = await store.secrets.newest(tenant_id, name)
            if newest is None or newest.value is None:
                raise click.ClickException(f"there is no secret {name!r}; `atende secret list` tells those there are")
            before = State(version=newest.info.version)
            async with audited(store.audit, clock, tenant_id, operator(), "secret.remove", name, before=before):
                await store.secrets.remove(tenant_id, name, clock.now())

    run(remove())
    click.echo("removed", err=True)


@secret_command.command("rotate")
@click.option("--new-key", is_flag=True, help="Make a fresh master key first, in secrets.keys of the data directory.")
@click.pass_context
def rotate_command(context: click.Context, new_key: bool) -> None:
    """Encrypt every tenant's secrets with the first master key of the ring.

    It may be stopped, and run again: it goes on with what is left. See docs/secrets.md for the order of things.
    """
    settings = program(context).settings
    if not has_database(settings):
        raise click.ClickException("no database is made yet: there are no secrets")

    async def rotated() -> tuple[Resealed, str]:
        if new_key:
            await asyncio.to_thread(add_key, ring_source(settings))
        ring = await read_ring(ring_source(settings), make=False)
        async with stores(settings) as store:
            return await reseal(store.secrets, ring, _progress), ring.first

    done, first = run(rotated())
    click.echo(f"{done.sealed} encrypted anew; the master key that encrypts is {first}")
    for place, why in done.unreadable:
        click.echo(f"{place.tenant_id} {place.name} (version {place.version}): {why}", err=True)
    for key_id, count in done.left.items():
        needed = f"is still needed by {count}" if count else "is needed by nothing any more: take it out of the ring"
        click.echo(f"master key {key_id}: {needed}")
    if done.unreadable:
        context.exit(1)


def _progress(done: int, total: int) -> None:
    click.echo(f"{done} of {total}", err=True)


def _whose(context: click.Context, slug: str | None, written_id: UUID | None) -> tuple[Settings, TenantId]:
    """Raises UsageError: there are no secrets of the platform."""
    settings = program(context).settings
    if slug is None and written_id is None:
        raise click.UsageError("give --tenant or --tenant-id, one of the two")
    tenant_id = tenant_named(settings, slug, written_id)
    assert tenant_id is not None
    return settings, tenant_id


def _named(name: str) -> None:
    if not is_secret_name(name):
        raise click.ClickException(f"{name!r} is not a secret's name: lower-case letters, digits, - and _")


def _value() -> Secret:
    """Never from an argument, which everybody on the machine may read."""
    if sys.stdin.isatty():
        return Secret(click.prompt("value", hide_input=True))
    return Secret(sys.stdin.read(MAX_SECRET_BYTES + 1024))  # one that is longer is told
