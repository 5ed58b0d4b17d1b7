"""`atende check`: whether tenant documents can be used, told as a compiler would."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from control.cli.context import program

if TYPE_CHECKING:
    from tenants.document import TenantDocument


@click.command("check")
@click.argument("files", nargs=-1, type=click.Path(path_type=Path), metavar="[FILE]...")
@click.pass_context
def check_command(context: click.Context, files: tuple[Path, ...]) -> None:
    """Check tenant documents (default: all of the tenants folder). Loads nothing, changes nothing.

    With the settings of the service: which switches a document may name stands there.
    """
    settings = program(context).settings
    folder = settings.tenants_dir
    chosen = files or tuple(sorted(folder.glob("*.yaml")))
    if not chosen:
        raise click.ClickException(f"no documents in {folder}")
    faults = check_files(chosen, settings.switch_names, plugins=settings.plugins)
    for fault in faults:
        click.echo(fault, err=True)
    if faults:
        raise SystemExit(1)


def check_files(
    files: tuple[Path, ...],
    switches: Collection[str],
    tell: Callable[[str], None] = click.echo,
    *,
    plugins: Sequence[str] = (),
) -> list[str]:
    """Every problem as one line `file:line:column: path: message`; `tell` gets a line for a good file."""
    # Parsing needs the catalog, which brings pipecat: other commands start without it.
    from processors.plugins import PluginError, stages_with
    from tenants.document import parse_document
    from tenants.errors import DocumentError

    try:
        stages = stages_with(plugins)
    except PluginError as error:
        return [f"ATENDE_PLUGINS: {error}"]
    faults: list[str] = []
    seen: list[TenantDocument] = []
    for file in files:
        try:
            document = parse_document(file.read_bytes(), str(file), stages, switches)
        except OSError as error:
            faults.append(f"{file}: {error.strerror}")
        except DocumentError as error:
            faults += map(str, error.problems)
        else:
            shared = _shared(document, seen)
            faults += shared
            seen.append(document)
            if not shared:
                tell(f"{file}: good")
    return faults


def _shared(document: TenantDocument, others: list[TenantDocument]) -> list[str]:
    """What a document has that only one tenant can have."""
    return [
        f"{document.file}:1:1: $.{field}: {other.file} has the same {field}"
        for other in others
        for field in ("id", "slug")
        if getattr(document.spec, field) == getattr(other.spec, field)
    ]
