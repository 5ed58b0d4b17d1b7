"""`atende secret`: keep a tenant's keys where its document can name them."""

import asyncio
import sys
from uuid import UUID

import click

from base.secret import Secret
from control.cli.context import program
from control.cli.secret_desks import How, ShownSecret, secret_desk
from control.cli.terminal import JSON, listed
from control.cli.where import RULE, SWAP, asks
from control.cli.whose import minute, of_tenant
from tenants.secret_rows import MAX_SECRET_BYTES, is_secret_name


class SecretGroup(click.Group):
    """`atende secret --tenant SLUG NAME`, as it was called before there were other verbs, is `set`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """What is no verb of ours and no call for help is for `set`."""
        if args and args[0] not in (*self.commands, *self.get_help_option_names(ctx)):
            args = ["set", *args]
        return super().parse_args(ctx, args)


@click.group("secret", cls=SecretGroup, epilog=RULE)
def secret_command() -> None:
    """Set, list and remove the secrets of a tenant, and encrypt all of them with another master key.

    `rotate` is for the machine of the service, which has the master keys.
    """


@secret_command.command("set")
@of_tenant("secrets")
@click.option("--dry-run", is_flag=True, help="Have it tried, and keep nothing.")
@click.option("--untested", is_flag=True, help="Keep it without trying it.")
@SWAP
@click.argument("name")
@click.pass_context
def set_command(
    context: click.Context,
    slug: str | None,
    written_id: UUID | None,
    name: str,
    dry_run: bool,
    untested: bool,
    swap: str | None,
) -> None:
    """Set a secret of a tenant, read from the terminal (hidden) or from standard input.

    A document names it as `{secret: NAME}`. A service tries it first, and uses it at once. In the database it is kept
    as it is: a service that runs takes it within seconds, for what answers and for a document that it refused.
    """
    _named(name)
    with secret_desk(context, slug, written_id) as secrets:
        told = secrets.set(name, _value(), How(dry_run=dry_run, untested=untested, swap=swap))
    click.echo(told)


@secret_command.command("list")
@of_tenant("secrets")
@JSON
@click.pass_context
def list_command(context: click.Context, slug: str | None, written_id: UUID | None, as_json: bool) -> None:
    """List a tenant's secrets, never their values, and what its document names and lacks. Times are in UTC."""
    with secret_desk(context, slug, written_id) as secrets:
        found = secrets.listed()
    listed(found, as_json, ("name", "version", "set", "by", "used at"), _cells, "there are no secrets")


@secret_command.command("remove")
@of_tenant("secrets")
@click.argument("name")
@click.pass_context
def remove_command(context: click.Context, slug: str | None, written_id: UUID | None, name: str) -> None:
    """Erase a secret's value. A service refuses that for one that is used; the database does not.

    A document that names it cannot be loaded any more; what answers goes on.
    """
    _named(name)
    with secret_desk(context, slug, written_id) as secrets:
        secrets.remove(name)
    click.echo("removed", err=True)


for _command in (set_command, list_command, remove_command):
    asks(_command, local=True)


@secret_command.command("rotate")
@click.option("--new-key", is_flag=True, help="Make a fresh master key first, in secrets.keys of the data directory.")
@click.pass_context
def rotate_command(context: click.Context, new_key: bool) -> None:
    """Encrypt every tenant's secrets with the first master key of the ring.

    It may be stopped, and run again: it goes on with what is left. See docs/secrets.md for the order of things.
    """
    from control.cli.stored import has_database, run, stores
    from control.secret_access import ring_source
    from tenants.master_keys import add_key, read_ring
    from tenants.resealing import Resealed, reseal

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


def _named(name: str) -> None:
    if not is_secret_name(name):
        raise click.ClickException(f"{name!r} is not a secret's name: lower-case letters, digits, - and _")


def _value() -> Secret:
    """Never from an argument, which everybody on the machine may read."""
    if sys.stdin.isatty():
        return Secret(click.prompt("value", hide_input=True))
    return Secret(sys.stdin.read(MAX_SECRET_BYTES + 1024))  # one that is longer is told


def _cells(one: ShownSecret) -> tuple[object, ...]:
    used = "?" if one.uses is None else " ".join(use.path for use in one.uses) or "-"
    return one.name, one.version or "missing", minute(one.created_at), one.created_by or "-", used
