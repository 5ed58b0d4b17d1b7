"""`atende secret`: keep a tenant's key where its document can name it."""

import sys
from uuid import UUID

import click

from base.ids import TenantId
from base.secret import Secret
from control.cli.context import program
from control.cli.tenant_files import written_tenant
from tenants.secrets import FileSecrets, SecretNameError


@click.command("secret")
@click.option("--tenant", "slug", help="Slug of a tenant document.")
@click.option("--tenant-id", "written_id", type=click.UUID, help="The tenant's UUID, instead of --tenant.")
@click.argument("name")
@click.pass_context
def secret_command(context: click.Context, slug: str | None, written_id: UUID | None, name: str) -> None:
    """Set a secret of a tenant, read from the terminal (hidden) or from standard input.

    A document names it as `{secret: NAME}`. A running service that refused the document for want of it takes it when
    the tenant's file is saved again; a new value of one that is in use is read at the next start.
    """
    settings = program(context).settings
    if (slug is None) == (written_id is None):
        raise click.UsageError("give --tenant or --tenant-id, one of the two")
    tenant_id = TenantId(str(written_id)) if slug is None else written_tenant(slug, settings).tenant_id
    value = click.prompt("value", hide_input=True) if sys.stdin.isatty() else sys.stdin.readline().strip()
    if not value:
        raise click.ClickException("the value is empty")
    try:
        FileSecrets(settings.data_dir).write(tenant_id, name, Secret(value))
    except (SecretNameError, OSError) as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"kept; write {{secret: {name}}} in the document of {slug or tenant_id}")
