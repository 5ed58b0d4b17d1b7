"""`atende secret`: keep a tenant's key where its document can name it."""

import sys
from pathlib import Path

import click
from msgspec.structs import replace

from base.secret import Secret
from control.cli.context import program
from control.server_facts import server_facts
from processors.plugins import PluginError, stages_with
from tenants.document import parse_document
from tenants.errors import DocumentError
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
    path = settings.tenants_dir / f"{Path(slug).name}.yaml"
    # The document may name the secret already: that it is not there yet is why we are here.
    server = replace(server_facts(settings), has_secret=None)
    try:
        document = parse_document(path.read_bytes(), str(path), stages_with(settings.plugins), server=server)
    except (OSError, DocumentError, PluginError) as error:
        raise click.ClickException(f"{path}: {error}") from error
    value = click.prompt("value", hide_input=True) if sys.stdin.isatty() else sys.stdin.readline().strip()
    if not value:
        raise click.ClickException("the value is empty")
    try:
        FileSecrets(settings.data_dir).write(document.tenant_id, name, Secret(value))
    except (SecretNameError, OSError) as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"kept; write {{secret: {name}}} in the document of {slug}")
