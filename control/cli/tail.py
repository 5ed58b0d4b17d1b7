"""`atende tail`: what happens, as it happens, by way of the REST API."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from typing import Any, Final

import click
import msgspec
from msgspec import Struct
from rich.markup import escape

from control.cli.remote import remote
from control.cli.terminal import console, plain
from control.cli.where import asks

COLOURS: Final = {"call": "cyan", "document": "green", "canary": "yellow", "key": "magenta", "tenant": "magenta"}
AGAIN_S: Final = (1.0, 2.0, 5.0)
"""Between the tries to follow a service that went away; the last one is for ever."""


class _Event(Struct, frozen=True):
    id: int
    at: str
    kind: str
    subject: str
    tenant_id: str | None = None
    data: dict[str, Any] = {}


@click.command("tail")
@click.option("--tenant", help="A company, by slug or UUID; a company's own key needs none.")
@click.option("--kind", "kinds", multiple=True, help="Only these, such as call.ended; may be given several times.")
@click.option("--after", type=click.IntRange(0), help="Begin behind the event of this id (default: now).")
@click.option("--once", is_flag=True, help="End when the stream does, instead of coming again.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object on a line.")
@click.pass_context
def tail_command(
    context: click.Context, tenant: str | None, kinds: tuple[str, ...], after: int | None, once: bool, as_json: bool
) -> None:
    """Follow what happens: calls, documents, trials, keys, alarms. Ends with Ctrl-C.

    Asks the service at --url or ATENDE_API_URL with the key in ATENDE_API_KEY. A service that goes away is followed
    again where it was left, and no event is missed.
    """
    with remote(context) as service:
        domain, tries, joined = service.tenant_id(tenant), 0, False
        while True:
            wanted = {"domain_uuid": domain, "kind": kinds or None, "after": after}
            try:
                for event in events(service.stream("/events", accept="text/event-stream", **wanted)):
                    after, tries = event.id, 0
                    _show(event, as_json)
                joined = True
            except click.ClickException:
                if once or not (joined or after is not None):
                    raise  # it never began: that is what there is to be told
            if once:
                return
            time.sleep(AGAIN_S[min(tries, len(AGAIN_S) - 1)])
            tries += 1


def events(pieces: Iterable[bytes]) -> Iterator[_Event]:
    """The events of a stream (WHATWG's server-sent events, as far as our own service writes them)."""
    rest = b""
    for piece in pieces:
        *blocks, rest = (rest + piece).replace(b"\r\n", b"\n").split(b"\n\n")
        for block in blocks:
            data = [line[5:].strip() for line in block.split(b"\n") if line.startswith(b"data:")]
            if data:
                yield msgspec.json.decode(b"\n".join(data), type=_Event)


def _show(event: _Event, as_json: bool) -> None:
    if as_json:
        click.echo(msgspec.json.encode(event))
        return
    colour = COLOURS.get(event.kind.partition(".")[0], "red")
    facts = " ".join(f"{name}={value}" for name, value in event.data.items())
    at = event.at[:19].replace("T", " ")
    words = " ".join(part for part in (event.tenant_id or "", event.subject, facts) if part)
    console().print(f"[dim]{event.id:>7}  {escape(at)}[/]  [{colour}]{plain(event.kind):<20}[/] {plain(words)}")


asks(tail_command)
