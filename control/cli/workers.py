"""`atende serve --workers N`: the sockets that all processes share, and the parent that keeps these."""

import os

import click
import uvloop
from msgspec import structs
from rich.console import Console

from control.cli.starting import BACKLOG, TOLD, door_listener, http_listener
from control.settings import PREFIX, Settings, SettingsError, checked
from control.workers.parent import Parent, StartFailedError


def serve_with_workers(settings: Settings, workers: int | None) -> None:
    """Until SIGINT or SIGTERM. Raises ClickException with what to do when it cannot begin."""
    try:
        found = checked(structs.replace(settings, workers=settings.workers if workers is None else workers))
    except SettingsError as error:
        raise click.ClickException(str(error)) from error
    environ = dict(os.environ) | {f"{PREFIX}WORKERS": str(found.workers)}
    with http_listener(found) as http, door_listener(found) as door:
        http.listen(BACKLOG)
        _announce(found)
        try:
            uvloop.run(Parent(found, http, door, environ, _answers).run())
        except StartFailedError as error:
            raise click.ClickException(str(error)) from error
        except TOLD as error:
            raise click.ClickException(str(error)) from error


def _answers() -> None:
    out = Console(stderr=True, highlight=False, soft_wrap=True)
    out.print("\n[bold]Atende answers.[/]  The first process takes calls.\n")


def _announce(found: Settings) -> None:
    out = Console(stderr=True, highlight=False, soft_wrap=True)
    out.print(f"\n[bold]Atende[/] begins with {found.workers} processes for calls.")
    out.print(f"  FreeSWITCH   socket {found.esl_host}:{found.esl_port} async full")
    out.print(f"  health       http://{found.http_host}:{found.http_port}/health/ready")
    out.print("  stop         Ctrl-C; live calls may end, a second Ctrl-C gives them back to their dialplans")
    out.print("  relieve      kill -HUP: every process by a fresh one, without dropping a call\n")
