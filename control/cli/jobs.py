"""`atende jobs`: the work that is nobody's call, by way of the REST API."""

from __future__ import annotations

from datetime import datetime
from typing import Final

import click
from msgspec import Struct
from rich.table import Table

from control.cli.remote import remote
from control.cli.terminal import JSON, console, plain, printed
from control.cli.where import asks
from tenants.job_rows import JobRow, KindLoad, name_of

COLOURS: Final = {"running": "green", "retrying": "red"}


class _Jobs(Struct, frozen=True):
    kinds: tuple[KindLoad, ...]
    jobs: tuple[JobRow, ...]


@click.command("jobs")
@click.option("--kind", help="Only these, such as retention.")
@click.option("--limit", type=click.IntRange(1, 10_000), default=50, show_default=True, help="So many jobs at most.")
@JSON
@click.pass_context
def jobs_command(context: click.Context, kind: str | None, limit: int, as_json: bool) -> None:
    """Show how each kind of job fares, and the jobs that wait, are under way or are to be tried again.

    Asks the service at --url or ATENDE_API_URL with the key in ATENDE_API_KEY, which has to be the platform's.
    """
    with remote(context) as service:
        found = _Jobs(
            kinds=tuple(one for one in service.whole(KindLoad, "/jobs/kinds") if kind in (None, one.kind)),
            jobs=tuple(service.pages(JobRow, "/jobs", limit, kind=kind)),
        )
    printed(found, as_json, _tables)


def _tables(found: _Jobs) -> None:
    if not found.kinds:
        click.echo("no job has ever been due: does a process that does jobs run?", err=True)
        return
    kinds = Table("kind", "node", "done in a day", "last done", "due next", "waiting", "running", "failing", box=None)
    for one in found.kinds:
        failing = f"[red]{one.failing}[/]" if one.failing else "0"
        times = _at(one.last_done_at), _at(one.next_run_at)
        counts = str(one.waiting), str(one.running), failing
        kinds.add_row(plain(one.kind), plain(one.node), str(one.done_last_day), *times, *counts)
    console().print(kinds)
    if not found.jobs:
        return
    jobs = Table("id", "kind", "company", "state", "due", "begun", "last error", box=None)
    for job in found.jobs:
        colour = COLOURS.get(job.state, "yellow")
        kind = name_of(job.kind, job.node)
        state = f"[{colour}]{plain(job.state)}[/]"
        whose = job.tenant_id or ""
        times = _at(job.due_at), f"{job.attempts} x"
        jobs.add_row(str(job.id), plain(kind), plain(whose), state, *times, plain(job.last_error))
    console().print()
    console().print(jobs)


def _at(moment: datetime | None) -> str:
    return "" if moment is None else f"{moment:%Y-%m-%d %H:%M:%S}"


asks(jobs_command)
