"""What every command is given: the settings, and how to make a service. `app.py` hands it in."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

import click
from msgspec import Struct

if TYPE_CHECKING:  # all but the settings is for those who open a service: other commands start without it
    from litestar import Litestar

    from control.documents import WithDocuments
    from control.service import Service
    from control.settings import Settings
    from control.workers.seat import Place
    from pipelines.calls import LiveFeed
    from pipelines.loading import Rendered
    from processors.catalog import Stages


class OpenService(Protocol):
    """Makes and joins everything, and closes it in the other order."""

    def __call__(
        self, found: Settings, *, feed: LiveFeed | None = None, rendered: Rendered = ...
    ) -> AbstractAsyncContextManager[Service]: ...


OpenTrial: TypeAlias = "Callable[[Settings], AbstractAsyncContextManager[WithDocuments]]"
"""Opens what publishing loads revisions with, in a folder of its own; what the service has is read, not changed."""


class Program(Struct, frozen=True, kw_only=True):
    """The whole program, as a command sees it."""

    settings: Settings
    open_service: OpenService
    open_trial: OpenTrial
    create_app: Callable[[Settings, Callable[[Any], None], Place | None], Litestar]
    """The HTTP application, in whose lifespan the process runs; the second argument is told of it when it does: a
    `Service`, or the `Process` that another role is. The third is its place among several."""


def program(context: click.Context) -> Program:
    """The program that `main` put into the context."""
    found = context.find_object(Program)
    assert found is not None
    return found


def stages(context: click.Context) -> Stages:
    """Our own stages and those of the plugins that the settings name. Raises ClickException."""
    # The stages bring pipecat: other commands start without it.
    from processors.plugins import PluginError, stages_with

    try:
        return stages_with(program(context).settings.plugins)
    except PluginError as error:
        raise click.ClickException(f"ATENDE_PLUGINS: {error}") from error
