"""`atende demo`: the service on this machine, two callers, and everything that happens, as it happens."""

import asyncio
from collections.abc import Collection
from contextlib import AsyncExitStack
from pathlib import Path

import click
import msgspec
from msgspec import structs
from rich.console import Console
from rich.rule import Rule

from base.ids import CallId
from control import logs
from control.cli.context import Program, program
from control.cli.rendering import FixedTexts, lines, shown
from control.cli.show import Show, told
from control.cli.starting import TOLD
from control.peer import CallResult, Dialed, Switch, load_script
from control.service import Service
from pipelines.calls import CallRecord
from tenants.directory import TenantEntry
from tenants.signing import NUMBER_VARIABLE, SIGNATURE_VARIABLE, TENANT_VARIABLE, sign
from transports.freeswitch.words import DoorName

SCRIPTS = Path("configs/demo")
"""One script for each example tenant, by its slug."""
STORED_TIMEOUT_S = 10.0
BUSY = "this machine is busy: close other programs and try again"


@click.command("demo")
@click.option("--tenant", "slugs", multiple=True, help="Only this example tenant; may be given again.")
@click.pass_context
def demo_command(context: click.Context, slugs: tuple[str, ...]) -> None:
    """Ring the example tenants with recorded callers and show every turn. Leaves nothing running."""
    tool = program(context)
    scripts = scripts_of(SCRIPTS, tool.settings.tenants_dir, slugs)
    if not scripts:
        raise click.ClickException(f"no script for that in {SCRIPTS.resolve()}; run it in the folder of the project")
    try:
        asyncio.run(_demo(tool, scripts))
    except TOLD as error:
        raise click.ClickException(str(error)) from error


def scripts_of(folder: Path, tenants: Path, slugs: Collection[str] = ()) -> dict[str, Path]:
    """The script of each example tenant (of `slugs` only, where there are any): other scripts are there as well."""
    found = {path.stem: path for path in sorted(folder.glob("*.yaml"))}
    return {slug: path for slug, path in found.items() if slug in slugs or (not slugs and _is_tenant(tenants, slug))}


def _is_tenant(tenants: Path, slug: str) -> bool:
    return (tenants / f"{slug}.yaml").is_file()


async def _demo(tool: Program, scripts: dict[str, Path]) -> None:
    out = Console(highlight=False)
    show = Show(out)
    # Port 0: whatever else runs on this machine, the demo finds a place of its own.
    settings = structs.replace(tool.settings, esl_port=0)
    # What goes wrong is shown; what goes right is on the screen already.
    logs.configure(settings.log_format, "error")
    out.print("Starting: PostgreSQL, vectors, models …")
    async with AsyncExitStack() as stack:
        fixed = FixedTexts()
        async with lines(out, fixed.told):
            opening = tool.open_service(settings, feed=show, rendered=fixed)
            service = await stack.enter_async_context(opening)
        _all_published(service)
        await shown(out, service.rehearsed(), service.rendering)
        out.print("Ready: {} of {} sentences are rendered ahead.".format(*service.rendering()))
        heard = []
        for slug, path in scripts.items():
            entry = service.directory.by_slug(slug)
            out.print(Rule(f"{slug}: a recorded caller rings {next(iter(entry.numbers))}"))
            result = await _ring(service, entry, path)
            heard.append((entry, await _record(service, entry, result)))
            _measured(out, result)
        out.print(Rule("what is left of it"))
        for entry, record in heard:
            await _kept(service, entry, record, out)
    out.print("\nEverything is stopped. [bold]make run[/] serves; [bold]make call[/] rings it.")


def _all_published(service: Service) -> None:
    """Raises ClickException with what hinders a tenant."""
    hindered = [status for status in service.tenants if status.problem]
    if not hindered:
        return
    told = [status.problem for status in hindered]
    if any(status.retry is not None for status in hindered):
        told.append("What is rendered is kept: `atende demo` goes on from there when it is run again.")
    raise click.ClickException("\n".join(told))


async def _record(service: Service, entry: TenantEntry, result: CallResult) -> CallRecord:
    """Of a call that is over. Raises ClickException where there is none: a call that was refused leaves none."""
    call_id = CallId(result.call_id)
    if (reason := service.phone.refusal_of(call_id)) is not None:
        again = f"; {BUSY}" if result.door == DoorName.BUSY.value else ""
        raise click.ClickException(f"the call was refused: {reason}{again}")
    try:
        return await service.stored(entry.tenant_id, call_id, STORED_TIMEOUT_S)
    except TimeoutError as error:
        late = f"the call's record was not in the database within {STORED_TIMEOUT_S:.0f} s"
        ended = f"ended by {result.ended_by}, {result.cause}"
        raise click.ClickException(f"{late} (call {call_id}, {ended}); {BUSY}") from error


async def _ring(service: Service, entry: TenantEntry, path: Path) -> CallResult:
    number = next(iter(entry.numbers))
    variables = {
        TENANT_VARIABLE: entry.tenant_id,
        NUMBER_VARIABLE: number,
        SIGNATURE_VARIABLE: sign(service.keys, entry.tenant_id, number),
    }
    host, port = service.address
    script = await asyncio.to_thread(load_script, path)
    async with Switch(host, port) as switch:
        return await switch.call(Dialed(number=number, variables=variables), script)


def _measured(out: Console, result: CallResult) -> None:
    """What the other side of the wire measured."""
    answers = [f"{turn.response_ms:.0f}" for turn in result.turns if turn.response_ms is not None]
    stops = [f"{turn.barge_in_ms:.0f}" for turn in result.turns if turn.barge_in_ms is not None]
    greeting = "–" if result.greeting_ms is None else f"{result.greeting_ms:.0f} ms"
    out.print(
        f"[dim]on the wire: greeting after {greeting}; speech end to answer {', '.join(answers) or '–'} ms; "
        f"silent after an interruption in {', '.join(stops) or '–'} ms; ended by {result.ended_by}[/]"
    )


async def _kept(service: Service, entry: TenantEntry, record: CallRecord, out: Console) -> None:
    """Where the recording and the conversation are."""
    folder = service.settings.data_dir.resolve()
    copy = folder / "demo" / f"{entry.slug}.json"
    await asyncio.to_thread(_save, copy, record)
    out.print(f"[bold]{entry.slug}[/]: ended by {record.end_reason}, {len(record.turns)} turns")
    for line in told(record.timeline):
        out.print(f"[dim]  {line}[/]")
    if record.recording is not None:
        out.print(f"  recording     {folder / record.recording} (left caller, right assistant)", soft_wrap=True)
    out.print(f"  conversation  {copy} (of table conversations, call {record.call.id})", soft_wrap=True)


def _save(path: Path, record: CallRecord) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(msgspec.json.format(msgspec.json.encode(record), indent=2) + b"\n")
