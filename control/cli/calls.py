"""`atende calls`: live calls and finished ones, by way of the REST API."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import click
import msgspec
from msgspec import Struct

from control.cli.remote import Remote, remote
from control.cli.terminal import JSON, console, listed, plain
from control.cli.where import asks

CALL: Final = click.argument("call_id", metavar="CALL", type=click.UUID)
TENANT: Final = click.option("--tenant", help="A company, by slug or UUID; a company's own key needs none.")
MOMENT: Final = click.DateTime(["%Y-%m-%d", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S"])
FILTERS: Final = (
    click.option("--assistant", help="Its name."),
    click.option("--number", help="That was called."),
    click.option("--caller", help="Who called."),
    click.option("--end-reason", help="Such as goodbye, caller_hangup, failure."),
    click.option("--revision", type=click.IntRange(1), help="On which it ran."),
    click.option("--from", "opened_from", type=MOMENT, help="Answered then or later (UTC)."),
    click.option("--to", "opened_to", type=MOMENT, help="Answered before (UTC)."),
    click.option("--text", help="In what was said, 3 characters and more."),
)


class _Call(Struct, frozen=True):
    id: str
    tenant_id: str
    tenant_slug: str
    assistant: str
    number: str
    caller: str
    revision: int
    opened_at: datetime
    language: str = ""
    switch: str = ""


class _Live(Struct, frozen=True):
    call: _Call
    revision: int
    caller_speaking: bool
    turns: int


class _Waterfall(Struct, frozen=True):
    first_audio: float | None = None


class _Turn(Struct, frozen=True):
    role: str
    text: str
    interrupted: bool = False
    waterfall: _Waterfall | None = None


class _LiveDetail(_Live, frozen=True):
    transcript: tuple[_Turn, ...]


class _Summary(Struct, frozen=True):
    call: _Call
    duration_s: float
    end_reason: str
    turns: int
    has_errors: bool


class _Usage(Struct, frozen=True):
    stage: str
    model: str
    answers: int
    input_tokens: int
    output_tokens: int
    cost_usd: float | None


class _Record(Struct, frozen=True):
    call: _Call
    ended_at: datetime
    end_reason: str
    hangup_cause: str
    turns: tuple[_Turn, ...]
    errors: tuple[str, ...] = ()
    recording: str | None = None
    cost_usd: float | None = None
    usage: tuple[_Usage, ...] = ()


def _filtered(command: Any) -> Any:
    for option in reversed(FILTERS):
        command = option(command)
    return command


@click.group("calls")
def calls_command() -> None:
    """Look at live calls and finished ones, and act on live ones.

    Asks the service at --url or ATENDE_API_URL with the key in ATENDE_API_KEY.
    """


@calls_command.command("live")
@TENANT
@JSON
@click.pass_context
def live_command(context: click.Context, tenant: str | None, as_json: bool) -> None:
    """List the calls that are going on."""
    with remote(context) as service:
        found = list(service.pages(_Live, "/live-calls", domain_uuid=service.tenant_id(tenant)))
    columns = ("call", "company", "assistant", "caller", "since (UTC)", "turns", "speaks")
    listed(found, as_json, columns, _live_cells, "nobody talks")


@calls_command.command("list")
@TENANT
@_filtered
@click.option("--limit", type=click.IntRange(1, 10_000), default=50, show_default=True, help="So many at most.")
@JSON
@click.pass_context
def list_command(context: click.Context, /, tenant: str | None, limit: int, as_json: bool, **wanted: Any) -> None:
    """List finished calls, the newest first."""
    with remote(context) as service:
        query = _query(service, tenant, wanted)
        found = list(service.pages(_Summary, "/calls", limit, **query))
    columns = ("opened (UTC)", "seconds", "company", "assistant", "caller", "turns", "ended by", "call")
    listed(found, as_json, columns, _cells, "there are no such calls")


@calls_command.command("show")
@CALL
@TENANT
@JSON
@click.pass_context
def show_command(context: click.Context, call_id: Any, tenant: str | None, as_json: bool) -> None:
    """Show one call with what was said: a live one so far, a finished one whole."""
    with remote(context) as service:
        domain = service.tenant_id(tenant)
        live = service.find(f"/live-calls/{call_id}", domain_uuid=domain)
        found = live or service.ask("GET", f"/calls/{call_id}", query={"domain_uuid": domain}).content
    if as_json:
        click.echo(found)
    elif live is not None:
        _live_call(msgspec.json.decode(found, type=_LiveDetail))
    else:
        _record(msgspec.json.decode(found, type=_Record))


@calls_command.command("say")
@CALL
@click.argument("text")
@TENANT
@click.pass_context
def say_command(context: click.Context, call_id: Any, text: str, tenant: str | None) -> None:
    """Have the assistant say TEXT in a live call, as soon as nobody speaks."""
    _act(context, call_id, "say", tenant, {"text": text})


@calls_command.command("hang-up")
@CALL
@TENANT
@click.pass_context
def hang_up_command(context: click.Context, call_id: Any, tenant: str | None) -> None:
    """End a live call at once."""
    _act(context, call_id, "hang-up", tenant, None)


@calls_command.command("transfer")
@CALL
@click.argument("number")
@TENANT
@click.pass_context
def transfer_command(context: click.Context, call_id: Any, number: str, tenant: str | None) -> None:
    """Send a live call's caller on to NUMBER of the company's dialplan."""
    _act(context, call_id, "transfer", tenant, {"number": number})


@calls_command.command("export")
@TENANT
@_filtered
@click.option("--format", "kind", type=click.Choice(["ndjson", "csv"]), default="ndjson", show_default=True)
@click.option("-o", "--output", type=click.Path(path_type=Path, dir_okay=False), help="Write it there.")
@click.pass_context
def export_command(
    context: click.Context, /, tenant: str | None, kind: str, output: Path | None, **wanted: Any
) -> None:
    """Write finished calls as lines of JSON with what was said, or as a table."""
    with remote(context) as service:
        _written(service.stream("/calls/export", **_query(service, tenant, wanted), format=kind), output)


@calls_command.command("recording")
@CALL
@TENANT
@click.option("-o", "--output", type=click.Path(path_type=Path, dir_okay=False), required=True, help="Write it there.")
@click.pass_context
def recording_command(context: click.Context, call_id: Any, tenant: str | None, output: Path) -> None:
    """Fetch a finished call's audio: a WAV, the caller left, the assistant right."""
    with remote(context) as service:
        _written(service.stream(f"/calls/{call_id}/recording", domain_uuid=service.tenant_id(tenant)), output)


def _written(pieces: Iterator[bytes], output: Path | None) -> None:
    first = next(pieces, b"")  # before the file is made: it may yet be a problem
    with sys.stdout.buffer if output is None else output.open("wb") as file:
        file.write(first)
        for piece in pieces:
            file.write(piece)


def _query(service: Remote, tenant: str | None, wanted: dict[str, Any]) -> dict[str, Any]:
    dates = {name: f"{at:%Y-%m-%dT%H:%M:%SZ}" for name, at in wanted.items() if isinstance(at, datetime)}
    return wanted | dates | {"domain_uuid": service.tenant_id(tenant)}


def _act(context: click.Context, call_id: Any, verb: str, tenant: str | None, body: dict[str, str] | None) -> None:
    with remote(context) as service:
        query = {"domain_uuid": service.tenant_id(tenant)}
        service.ask("POST", f"/live-calls/{call_id}/{verb}", query=query, json=body)


def _live_cells(one: _Live) -> tuple[object, ...]:
    call, speaks = one.call, "caller" if one.caller_speaking else ""
    since = f"{call.opened_at:%H:%M:%S}"
    return call.id, call.tenant_slug, call.assistant, call.caller or "–", since, one.turns, speaks


def _cells(one: _Summary) -> tuple[object, ...]:
    call, opened, seconds = one.call, f"{one.call.opened_at:%Y-%m-%d %H:%M:%S}", f"{one.duration_s:.0f}"
    end = f"{one.end_reason} (errors)" if one.has_errors else one.end_reason
    return opened, seconds, call.tenant_slug, call.assistant, call.caller or "–", one.turns, end, call.id


def _live_call(one: _LiveDetail) -> None:
    _head(one.call, "live" + (", the caller speaks" if one.caller_speaking else ""))
    _conversation(one.transcript)


def _record(one: _Record) -> None:
    seconds = max(0.0, (one.ended_at - one.call.opened_at).total_seconds())
    _head(one.call, f"{seconds:.0f} s, ended by {one.end_reason} {one.hangup_cause}".strip())
    _conversation(one.turns)
    for used in one.usage:
        tokens = f"{used.input_tokens} tokens read, {used.output_tokens} written"
        told = f"{used.stage}: {used.model}, {used.answers} answers, {tokens}, {_dollars(used.cost_usd)}"
        click.echo(plain(told))
    if one.usage:
        click.echo(f"cost: {_dollars(one.cost_usd)}")
    for error in one.errors:
        click.echo(f"error: {plain(error)}")
    if one.recording:
        click.echo(f"recording: {plain(one.recording)}")


def _dollars(cost_usd: float | None) -> str:
    return "not known" if cost_usd is None else f"${cost_usd:.4f}"


def _head(call: _Call, end: str) -> None:
    words = f"{call.tenant_slug} / {call.assistant}, number {call.number}, caller {call.caller or 'unknown'}"
    console().print(f"[bold]{plain(words)}[/]")
    console().print(plain(f"{call.opened_at:%Y-%m-%d %H:%M:%S} UTC, revision {call.revision}, {end}"))


def _conversation(turns: tuple[_Turn, ...]) -> None:
    for turn in turns:
        colour = "cyan" if turn.role == "caller" else "green"
        cut = " ✂ interrupted" if turn.interrupted else ""
        first = None if turn.waterfall is None else turn.waterfall.first_audio
        after = "" if first is None else f"  [dim]{first:.0f} ms[/]"
        console().print(f"[{colour}]{turn.role:>9}[/]  {plain(turn.text)}{cut}{after}")


asks(calls_command)
