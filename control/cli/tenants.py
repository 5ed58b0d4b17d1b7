"""`atende tenants`: which companies are answered, and their documents, by way of the REST API."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import click
import msgspec
from msgspec import Struct
from rich.table import Table

from control.cli.remote import Remote, remote
from control.cli.terminal import JSON, console, listed, plain, printed
from control.cli.where import SWAP, asks

TENANT: Final = click.argument("tenant", metavar="TENANT")


class _Assistant(Struct, frozen=True):
    name: str
    numbers: tuple[str, ...]
    secretary_uuid: str | None = None


class _Tenant(Struct, frozen=True):
    tenant_id: str
    slug: str
    domain: str | None
    enabled: bool
    switch: str | None
    state: str
    revision: int | None
    live_calls: int
    on_trial: int | None = None
    problem: str | None = None
    assistants: tuple[_Assistant, ...] = ()


class _Revision(Struct, frozen=True):
    revision: int
    digest: str
    created_at: str


class _Notice(Struct, frozen=True):
    path: str
    message: str
    line: int
    column: int


class _Published(Struct, frozen=True):
    revision: int
    changed: bool
    notices: tuple[_Notice, ...] = ()
    problems: tuple[str, ...] = ()


@click.group("tenants")
def tenants_command() -> None:
    """List companies, and read and change their documents.

    Asks the service at --url or ATENDE_API_URL with the key in ATENDE_API_KEY. TENANT is a slug or a UUID.
    """


@tenants_command.command("list")
@JSON
@click.pass_context
def list_command(context: click.Context, as_json: bool) -> None:
    """List the companies that the key may see."""
    with remote(context) as service:
        found = list(service.pages(_Tenant, "/tenants"))
    columns = ("slug", "state", "revision", "live calls", "numbers", "domain")
    listed(found, as_json, columns, _cells, "there are no companies")
    for one in () if as_json else found:
        if one.problem:
            click.echo(f"{one.slug}: {plain(one.problem)}", err=True)


@tenants_command.command("show")
@TENANT
@JSON
@click.pass_context
def show_command(context: click.Context, tenant: str, as_json: bool) -> None:
    """Show one company: state, assistants, numbers, what is wrong."""
    with remote(context) as service:
        found = service.get(_Tenant, _path(service, tenant))
    printed(found, as_json, _whole)


@tenants_command.command("get")
@TENANT
@click.option("--revision", type=click.IntRange(1), help="A former text (default: the one that stands).")
@click.option("-o", "--output", type=click.Path(path_type=Path, dir_okay=False), help="Write it there.")
@click.pass_context
def get_command(context: click.Context, tenant: str, revision: int | None, output: Path | None) -> None:
    """Print a company's document as it stands."""
    with remote(context) as service:
        path = _path(service, tenant)
        found = service.ask("GET", f"{path}/document" if revision is None else f"{path}/revisions/{revision}")
    if output is None:
        click.echo(found.content, nl=False)
    else:
        output.write_bytes(found.content)


@tenants_command.command("put")
@TENANT
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--dry-run", is_flag=True, help="Check and load it, and change nothing.")
@click.option("--create", is_flag=True, help="It is a new company's; TENANT is its UUID.")
@click.option("--over", metavar="DIGEST", help="Only over the text of this digest, as `revisions` tells.")
@SWAP
@click.pass_context
def put_command(
    context: click.Context, tenant: str, file: Path, dry_run: bool, create: bool, over: str | None, swap: str | None
) -> None:
    """Put FILE in the place of a company's document. It is checked, loaded, and answers from then on.

    Without --over it is put over whatever stands there now.
    """
    with remote(context) as service:
        path = _path(service, tenant)
        if create:
            stands = {"If-None-Match": "*"}
        else:
            stands = {"If-Match": f'"{over}"' if over else service.ask("GET", f"{path}/document").headers["ETag"]}
        query = {"dry_run": "true" if dry_run else None, "swap": swap}
        put = service.ask("PUT", f"{path}/document", query=query, content=file.read_bytes(), headers=stands)
    _say(put.content, str(file), dry_run=dry_run)


@tenants_command.command("revisions")
@TENANT
@click.option("--limit", type=click.IntRange(1, 1000), default=20, show_default=True, help="So many at most.")
@JSON
@click.pass_context
def revisions_command(context: click.Context, tenant: str, limit: int, as_json: bool) -> None:
    """List the texts that stood there, the newest first."""
    with remote(context) as service:
        found = list(service.pages(_Revision, f"{_path(service, tenant)}/revisions", limit))
    listed(found, as_json, ("revision", "stored (UTC)", "digest"), _stored, "there are no revisions")


@tenants_command.command("diff")
@TENANT
@click.argument("revision", type=click.IntRange(1))
@click.argument("to", type=click.IntRange(1))
@click.pass_context
def diff_command(context: click.Context, tenant: str, revision: int, to: int) -> None:
    """Print what the text of revision TO has otherwise than that of REVISION."""
    with remote(context) as service:
        path = f"{_path(service, tenant)}/revisions/{revision}/diff"
        click.echo(service.ask("GET", path, query={"to": to}).content, nl=False)


@tenants_command.command("rollback")
@TENANT
@click.argument("revision", type=click.IntRange(1))
@click.option("--dry-run", is_flag=True, help="Check and load it, and change nothing.")
@SWAP
@click.pass_context
def rollback_command(context: click.Context, tenant: str, revision: int, dry_run: bool, swap: str | None) -> None:
    """Go back to the text of REVISION, under a new number."""
    with remote(context) as service:
        path = _path(service, tenant)
        stands = {"If-Match": service.ask("GET", f"{path}/document").headers["ETag"]}
        query = {"dry_run": "true" if dry_run else None, "swap": swap}
        done = service.ask("POST", f"{path}/revisions/{revision}/activate", query=query, headers=stands)
    _say(done.content, f"revision {revision}", dry_run=dry_run)


@tenants_command.command("promote")
@TENANT
@SWAP
@click.pass_context
def promote_command(context: click.Context, tenant: str, swap: str | None) -> None:
    """Let what is on trial answer everybody."""
    _end_trial(context, tenant, "promote", swap)


@tenants_command.command("abort")
@TENANT
@SWAP
@click.pass_context
def abort_command(context: click.Context, tenant: str, swap: str | None) -> None:
    """End a trial: what answered beside it answers everybody."""
    _end_trial(context, tenant, "abort", swap)


def _end_trial(context: click.Context, tenant: str, way: str, swap: str | None) -> None:
    with remote(context) as service:
        done = service.ask("POST", f"{_path(service, tenant)}/canary/{way}", query={"swap": swap})
    _say(done.content, "the trial's end", dry_run=False)


def _path(service: Remote, tenant: str) -> str:
    return f"/tenants/{service.tenant_id(tenant)}"


def _say(content: bytes, what: str, *, dry_run: bool) -> None:
    """What became of a text; what acts on nothing in it, at its line."""
    put = msgspec.json.decode(content, type=_Published)
    for notice in put.notices:
        click.echo(f"{what}:{notice.line}:{notice.column}: notice: {notice.path}: {plain(notice.message)}", err=True)
    for problem in put.problems:
        click.echo(plain(problem), err=True)
    if not put.changed:
        click.echo(f"nothing to do: revision {put.revision} has the same text")
    elif dry_run:
        click.echo(f"{what} can be put; it would answer as revision {put.revision}")
    else:
        click.echo(f"revision {put.revision} answers")


def _cells(one: _Tenant) -> tuple[object, ...]:
    numbers = ", ".join(number for assistant in one.assistants for number in assistant.numbers)
    return one.slug, one.state, _revision(one), one.live_calls, numbers, one.domain or "–"


def _whole(one: _Tenant) -> None:
    table = Table(show_header=False, box=None)
    facts: dict[str, Any] = {
        "slug": one.slug,
        "id": one.tenant_id,
        "domain": one.domain or "–",
        "state": one.state if one.enabled else "disabled",
        "revision": _revision(one),
        "switch": one.switch or "any",
        "live calls": one.live_calls,
    }
    facts |= {f"assistant {each.name}": ", ".join(each.numbers) or "no number" for each in one.assistants}
    facts |= {"problem": one.problem} if one.problem else {}
    for name, value in facts.items():
        table.add_row(plain(name), plain(str(value)))
    console().print(table)


def _revision(one: _Tenant) -> str:
    trial = "" if one.on_trial is None else f" ({one.on_trial} on trial)"
    return f"{one.revision or '–'}{trial}"


def _stored(one: _Revision) -> tuple[object, ...]:
    return one.revision, one.created_at[:19].replace("T", " "), one.digest


asks(tenants_command)
