"""The console script `atende`: which command is asked for. What a command does not need is not loaded for it."""

import os
import sys
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from control.cli.lazy import LazyGroup

if TYPE_CHECKING:
    from litestar import Litestar

    from control.documents import WithDocuments
    from control.service import Service
    from control.settings import Settings


@click.group(cls=LazyGroup)
@click.version_option(package_name="atende")
@click.pass_context
def cli(context: click.Context) -> None:
    """A telephone receptionist for FreeSWITCH and FusionPBX."""
    import structlog

    from control import logs, settings
    from control.cli.context import Program

    try:
        found, warnings = settings.load(os.environ, Path(".env"))
    except settings.SettingsError as error:
        raise click.ClickException(str(error)) from error
    logs.configure(found.log_format, found.log_level)
    for warning in warnings:
        structlog.get_logger().warning("setting ignored", detail=warning)
    context.obj = Program(settings=found, open_service=_open_service, open_trial=_open_trial, create_app=_create_app)


# `app` brings the whole service, two seconds of work: it is loaded by who opens it.


def _open_service(found: "Settings", **how: Any) -> "AbstractAsyncContextManager[Service]":
    from app import open_service

    return open_service(found, **how)


def _open_trial(found: "Settings") -> "AbstractAsyncContextManager[WithDocuments]":
    from app import open_trial

    return open_trial(found)


def _create_app(found: "Settings", *rest: Any) -> "Litestar":
    from app import create_app

    return create_app(found, *rest)


def main() -> None:
    """As the console script."""
    # Recordings, vectors and keys are nobody else's to read.
    os.umask(0o077)
    sys.exit(cli())
