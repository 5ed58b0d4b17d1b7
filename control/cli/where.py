"""Whether a command asks a service's REST API, as any of its clients, or works on the database of these settings."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final, TypeVar
from uuid import UUID

import click
from msgspec import structs

from base.ids import TenantId
from control.cli.context import program
from control.cli.remote import Remote, remote
from control.cli.whose import tenant_named
from control.setting_values import server_url
from control.settings import Settings

A = TypeVar("A")
S = TypeVar("S")

RULE: Final = """\
With ATENDE_API_KEY, ATENDE_API_URL or --url the service is asked, wherever it runs. With --local, or without any of
these, it works on the database of these settings, on the machine of the service, whether or not that runs."""
BESIDE: Final = "; --local works on the database itself, on the machine of the service"
SWAP: Final = click.option(
    "--swap",
    type=click.Choice(["turn", "drain"]),
    help="Live calls change over at the end of a turn, or end on what they began with (default: ATENDE_SWAP).",
)
_LOCAL: Final = "atende.local"
_NAMED: Final = "atende.url"


def _at(context: click.Context, _: click.Parameter, url: str | None) -> None:
    if url is None:
        return
    try:
        server = server_url(url)
    except ValueError as error:
        raise click.BadParameter(str(error)) from error
    found = program(context)
    context.obj = structs.replace(found, settings=structs.replace(found.settings, api_url=server))
    context.meta[_NAMED] = True


def _beside(context: click.Context, _: click.Parameter, wanted: bool) -> None:
    context.meta[_LOCAL] = wanted


def _option(*names: str, **how: Any) -> click.Option:
    return click.Option(names, expose_value=False, **how)


def asks(command: click.Command, *, local: bool = False) -> None:
    """Give it (each of its commands, where it is a group) `--url`, and `--local` where both ways are open to it."""
    for one in command.commands.values() if isinstance(command, click.Group) else (command,):
        one.params.append(
            _option("--url", metavar="URL", callback=_at, help="Ask the service there, instead of ATENDE_API_URL.")
        )
        if local:
            told = "Work on the database of these settings, without the service."
            one.params.append(_option("--local", is_flag=True, callback=_beside, help=told))


@contextmanager
def desk(
    context: click.Context,
    slug: str | None,
    written_id: UUID | None,
    stored: Callable[[Settings, TenantId | None], S],
    asked: Callable[[Remote, str | None], A],
) -> Iterator[S | A]:
    """What works on one owner's things, whose the options say, on either side. Raises ClickException."""
    if is_local(context):
        settings = program(context).settings
        yield stored(settings, tenant_named(settings, slug, written_id))
    else:
        with remote(context, BESIDE) as service:
            yield asked(service, service.whose(slug, written_id))


def is_local(context: click.Context) -> bool:
    """What `RULE` says. Raises UsageError."""
    found = program(context).settings
    if context.meta.get(_LOCAL, False):
        if context.meta.get(_NAMED, False):
            raise click.UsageError("give --url or --local, one of the two")
        return True
    return found.api_key is None and found.api_url is None
