"""`atende secret`: keep a tenant's key where its document can name it."""

import sys

import click

from base.secret import Secret
from control.cli.context import program
from control.cli.tenant_files import written_tenant
from tenants.secrets import FileSecrets, SecretNameError


@click.command("secret")
@click.option("--tenant", "slug", required=True, help="Slug of a tenant document.")
@click.argument("name")
@click.pass_context
def secret_command(context: click.Context, slug: str, name: str) -> None:
    """Set a secret of a tenant, read from the terminal (hidden) or from standard input.

    A document names it as `{secret: NAME}`. A running service reads it at its next start.
    """
    settings = program(context).settings
    tenant_id = written_tenant(slug, settings).tenant_id
    value = click.prompt("value", hide_input=True) if sys.stdin.isatty() else sys.stdin.readline().strip()
    if not value:
        raise click.ClickException("the value is empty")
    try:
        FileSecrets(settings.data_dir).write(tenant_id, name, Secret(value))
    except (SecretNameError, OSError) as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"kept; write {{secret: {name}}} in the document of {slug}")
