"""`atende keys`: make, list and revoke the keys of the operators' REST API."""

from uuid import UUID

import click

from base.clock import SystemClock
from control.cli.key_desks import ShownKey, key_desk
from control.cli.terminal import JSON, listed
from control.cli.where import RULE, asks
from control.cli.whose import minute, of_tenant
from tenants.api_keys import PLATFORM_ROLES, ROLES, Role, is_key_id


@click.group("keys", epilog=RULE)
def keys_command() -> None:
    """Make, list and revoke keys of the REST API.

    The first is made on the machine of the service, with its settings (--local): a key is good where
    ATENDE_API_KEY_SECRET, or the file api-keys.secret of the data directory, is the same.
    """


@keys_command.command("create")
@click.option("--role", type=click.Choice(ROLES), required=True, help="What the key may do.")
@of_tenant("keys")
@click.option("--name", default="", help="What you call it, for the list; a service wants one.")
@click.option("--expires-days", type=click.IntRange(1, 3650), help="Days that it is good for (default: for ever).")
@click.pass_context
def create_command(
    context: click.Context, role: Role, slug: str | None, written_id: UUID | None, name: str, expires_days: int | None
) -> None:
    """Make a key and print it, this once."""
    if role in PLATFORM_ROLES and (slug is not None or written_id is not None):
        raise click.UsageError(f"--role {role} goes with no tenant")
    with key_desk(context, slug, written_id) as keys:
        text, key_id = keys.create(role, name, expires_days)
    click.echo(text.reveal())
    click.echo(f"The key {key_id} is shown this once: keep it where only its user can read it.", err=True)


@keys_command.command("list")
@of_tenant("keys")
@JSON
@click.pass_context
def list_command(context: click.Context, slug: str | None, written_id: UUID | None, as_json: bool) -> None:
    """List a tenant's keys, or the platform's. Times are in UTC."""
    with key_desk(context, slug, written_id) as keys:
        found = keys.listed()
    columns = ("id", "role", "state", "created", "expires", "last used", "name")
    listed(found, as_json, columns, _cells, "there are no keys")


@keys_command.command("revoke")
@click.argument("key_id", metavar="ID")
@of_tenant("keys")
@click.pass_context
def revoke_command(context: click.Context, key_id: str, slug: str | None, written_id: UUID | None) -> None:
    """Revoke a key, by the id that `create` and `list` tell: the 12 characters after atende_."""
    if not is_key_id(key_id):  # and is not shown: it may be a whole key
        raise click.ClickException(
            "that is no key's id: it has 12 characters of a-z and 2-7, as `atende keys list` tells"
        )
    with key_desk(context, slug, written_id) as keys:
        told = keys.revoke(key_id)
    click.echo(told, err=True)


def _cells(one: ShownKey) -> tuple[object, ...]:
    times = (minute(at) for at in (one.created_at, one.expires_at, one.last_used_at))
    return one.key, one.role, one.state(SystemClock().now()), *times, one.name


asks(keys_command, local=True)
