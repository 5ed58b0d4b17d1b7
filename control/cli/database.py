"""`atende database`: a copy of everything that is in PostgreSQL, and back again."""

from __future__ import annotations

from pathlib import Path

import click

from control.cli.context import program
from control.cli.stored import run
from tenants.copies import copy_database, restore_database
from tenants.database import derived_password


@click.group("database")
def database_command() -> None:
    """Copy the database of these settings into a file, or bring such a copy back.

    The embedded one, or that of ATENDE_DATABASE_URL. Run it as the user of the service.
    """


@database_command.command("copy")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.pass_context
def copy(context: click.Context, file: Path) -> None:
    """Write everything into FILE, while the service runs or not.

    A FILE that is there is replaced when the copy is whole. Keep it like the database: it has what callers said.
    """
    settings = program(context).settings
    run(copy_database(settings.data_dir, settings.database_url, file))
    click.echo(f"{file}: {file.stat().st_size} bytes", err=True)


@database_command.command("restore")
@click.argument("file", type=click.Path(dir_okay=False, exists=True, path_type=Path))
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.pass_context
def restore(context: click.Context, file: Path, yes: bool) -> None:
    """Put what FILE has in the place of everything that is in the database.

    While the service is stopped. When something fails, what was there stays.
    """
    settings = program(context).settings
    if not yes:
        click.confirm("What is in the database now is lost. Go on?", abort=True, err=True)
    password = derived_password(settings.api_key_secret)
    run(restore_database(settings.data_dir, settings.database_url, file, password))
    click.echo("brought back; start the service", err=True)
