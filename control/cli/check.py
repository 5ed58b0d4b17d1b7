"""`atende check`: whether tenant documents can be used, told as a compiler would."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

import click
import msgspec

from control.cli.context import Program, program
from tenants.files import files_of

if TYPE_CHECKING:
    from control.checking import CheckedFile


@click.command("check")
@click.argument("files", nargs=-1, type=click.Path(path_type=Path), metavar="[FILE]...")
@click.option("--json", "as_json", is_flag=True, help="One JSON object instead of lines.")
@click.option("--deep", is_flag=True, help="Make every stage ready too, as publishing does, and let go of it.")
@click.pass_context
def check_command(context: click.Context, files: tuple[Path, ...], as_json: bool, deep: bool) -> None:
    """Check tenant documents (default: all of the tenants folder), for everything that publishing would refuse.

    With the settings of the service: which switches, endpoints and secrets a document may name stands there.
    Mistakes end with exit code 1; a notice tells of what is kept and acts on nothing yet. Changes nothing.
    """
    tool = program(context)
    folder = tool.settings.tenants_dir
    chosen = files or tuple(files_of(folder))
    if not chosen:
        raise click.ClickException(f"no documents in {folder}")
    from processors.plugins import PluginError

    try:
        checked, unseen = asyncio.run(_checked(chosen, tool, deep=deep))
    except PluginError as error:
        raise click.ClickException(f"ATENDE_PLUGINS: {error}") from error
    if as_json:
        click.echo(_as_json(checked, unseen))
    else:
        _tell(checked, unseen)
    if not all(one.good for one in checked):
        raise SystemExit(1)


async def _checked(files: tuple[Path, ...], tool: Program, *, deep: bool) -> tuple[list[CheckedFile], list[str]]:
    # Parsing needs the catalog, which brings pipecat: other commands start without it.
    from control.checking import check_deeply, check_files, not_checked, secrets_for

    secrets = await secrets_for(files, tool.settings)
    checked = await asyncio.to_thread(check_files, files, tool.settings, secrets)
    if deep:
        checked = await check_deeply(checked, tool.settings, tool.open_trial)
    return checked, not_checked(secrets, deep=deep)


def _tell(checked: list[CheckedFile], unseen: list[str]) -> None:
    for one in checked:
        for problem in one.problems:
            click.echo(str(problem), err=True)
        for notice in one.notices:
            click.echo(notice.worded("notice"), err=True)
        if one.good:
            click.echo(f"{one.file}: good")
    for what in unseen if any(one.good for one in checked) else ():  # of one that is refused nobody asks what more
        click.echo(f"not checked: {what}", err=True)


def _as_json(checked: list[CheckedFile], unseen: list[str]) -> str:
    files = [{"file": one.file, "good": one.good, "problems": one.problems, "notices": one.notices} for one in checked]
    return msgspec.json.encode({"files": files, "not_checked": unseen}).decode()
