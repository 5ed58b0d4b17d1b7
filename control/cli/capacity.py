"""`atende capacity`: how many calls this machine carries, measured by ringing a service of its own."""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click
import msgspec
from msgspec import Struct
from rich.console import Console
from rich.markup import escape
from rich.table import Column, Table

from base.ids import TenantId
from control.cli.context import program

if TYPE_CHECKING:
    from control.capacity.child import Child
    from control.capacity.measuring import Capacity, Plan
    from control.peer import Dialed, Script
    from control.settings import Settings

SOUNDS: Final = Path("configs/demo")
"""Recorded callers, by the first letters of their language."""
SAID: Final = 3
MOST_CALLS: Final = 2000
LINE_EVERY_S: Final = 5.0
MINUTES: Final = 10.0
QUICK_MINUTES: Final = 2.0
HOLD_S: Final = {"mocks": 15.0, "models": 40.0}
"""With models a number of calls is kept until each has had a turn or two."""
QUICK_HOLD_S: Final = {"mocks": 8.0, "models": 20.0}
FIRST: Final = {"mocks": 8, "models": 2}
_FILE: Final = click.Path(exists=True, dir_okay=False, path_type=Path)


class CapacityOptions(Struct, frozen=True, kw_only=True):
    """The command line, as it was written."""

    sounds: tuple[Path, ...]
    tenant: str | None
    models: bool
    minutes: float | None
    quick: bool
    most: int
    as_json: bool


@click.command("capacity")
@click.argument("sounds", nargs=-1, type=_FILE, metavar="[WAV]...")
@click.option("--tenant", help="Slug of a tenant document that is rung, without its limits (default: one of our own).")
@click.option("--models", is_flag=True, help="Our own one hears and speaks by the embedded models, not by mocks.")
@click.option("--minutes", type=click.FloatRange(0.5, 120), help="It takes no longer (default 10).")
@click.option("--quick", is_flag=True, help="Two minutes, and a rougher answer.")
@click.option("--most", type=click.IntRange(1, MOST_CALLS), default=500, show_default=True, help="Calls at once.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object instead of a table.")
@click.pass_context
def capacity_command(context: click.Context, /, **written: object) -> None:
    """Measure how many calls this machine carries with these settings, and what there is too little of.

    A service with data of its own is started and rung with ever more scripted calls until it refuses one, or is late.
    Nothing of the running service is touched, but the two share the machine: measure while nobody calls. Each caller
    says the WAVs, one after the other, and hears the answers (without WAVs: those of configs/demo).
    """
    options = msgspec.convert(written, CapacityOptions)
    if options.models and options.tenant is not None:
        raise click.UsageError("give --models or --tenant, not both: a tenant's document names its own stages")
    settings = program(context).settings
    out = Console(stderr=True, highlight=False, quiet=options.as_json)
    capacity = asyncio.run(_capacity(options, settings, out))
    if options.as_json:
        click.echo(msgspec.json.encode(capacity).decode())
    else:
        show(capacity, Console(highlight=False, soft_wrap=True))
    if not capacity.calls:
        raise SystemExit(1)


async def _capacity(options: CapacityOptions, settings: Settings, out: Console) -> Capacity:
    """Raises ClickException."""
    from control.capacity.child import ChildError, child
    from control.capacity.documents import write
    from control.capacity.measuring import measured
    from tenants.embedded import EmbeddedError

    minutes = options.minutes or (QUICK_MINUTES if options.quick else MINUTES)
    until = time.monotonic() + minutes * 60
    document, language = _document(options, settings)
    script = _script(options.sounds or _recorded(language))
    with tempfile.TemporaryDirectory(prefix="atende-capacity-") as name, _progress(out) as tell:
        folder = Path(name)
        await asyncio.to_thread(write, document, folder / "tenants")
        environ = {
            "ATENDE_MODELS_DIR": str(settings.models.resolve()),
            "ATENDE_MAX_CALLS": str(options.most),
            "ATENDE_EAGER_TENANTS": "1",
        }
        try:
            tell("starting a service …")
            timeout_s = until - time.monotonic()
            async with child(folder, folder / "tenants", environ, start_timeout_s=timeout_s) as service:
                await _rendered(service, until, tell)
                plan = _plan(options, settings, document, script, service)
                return await measured(service, plan, until, tell)
        except (ChildError, EmbeddedError) as error:
            raise click.ClickException(str(error)) from error


async def _rendered(service: Child, until: float, tell: Callable[[str], None]) -> None:
    """Return when the company answers and its fixed sentences are rendered. Raises ClickException."""
    key = await service.key()
    while True:
        tenants = await service.tenants(key)
        for tenant in tenants:
            if tenant.state == "failed":
                raise click.ClickException(f"the document cannot be loaded here: {tenant.problem}")
        if tenants and all(tenant.state == "ready" for tenant in tenants):
            return
        if time.monotonic() > until:
            raise click.ClickException("the time was over while the fixed sentences were rendered; give more --minutes")
        tell("rendering what is said word for word …")
        await asyncio.sleep(1.0)


def _plan(
    options: CapacityOptions, settings: Settings, document: dict[str, Any], script: Script, service: Child
) -> Plan:
    from control.capacity.measuring import Plan
    from control.headroom import Bounds

    kind = "models" if options.models or options.tenant is not None else "mocks"
    return Plan(
        dialed=_dialed(document, settings, service),
        script=script,
        first=FIRST[kind],
        most=options.most,
        hold_s=(QUICK_HOLD_S if options.quick else HOLD_S)[kind],
        bounds=Bounds(max_lateness_ms=settings.max_lateness_ms),
    )


def _dialed(document: dict[str, Any], settings: Settings, service: Child) -> list[Dialed]:
    """Every number of the company."""
    from control.peer import Dialed
    from tenants.keys import signing_keys
    from tenants.signing import NUMBER_VARIABLE, SIGNATURE_VARIABLE, TENANT_VARIABLE, sign

    keys = signing_keys(service.data_dir, settings.signing_keys)
    tenant_id = TenantId(str(document["id"]).lower())
    numbers = [str(number) for assistant in document["assistants"] for number in assistant["numbers"]]
    signed = ((number, sign(keys, tenant_id, number)) for number in numbers)
    return [
        Dialed(
            number=number,
            variables={TENANT_VARIABLE: tenant_id, NUMBER_VARIABLE: number, SIGNATURE_VARIABLE: signature},
        )
        for number, signature in signed
    ]


def _document(options: CapacityOptions, settings: Settings) -> tuple[dict[str, Any], str]:
    """Who is rung, and in which language. Raises ClickException."""
    from control.capacity.documents import built_in, without_limits
    from control.cli.tenant_files import tenant_file

    if options.tenant is None:
        return built_in(options.most, models=options.models), "en"
    raw, spec = tenant_file(options.tenant, settings)
    return without_limits(raw, options.most), spec.language


def _recorded(language: str) -> tuple[Path, ...]:
    """Raises ClickException."""
    found = sorted(SOUNDS.glob(f"{language[:2]}-*.wav"))[:SAID]
    if not found:
        raise click.ClickException(f"no recorded caller for {language} in {SOUNDS.resolve()}: give WAV files")
    return tuple(found)


def _script(sounds: tuple[Path, ...]) -> Script:
    """Raises ClickException."""
    from control.peer import SoundError, question_and_answer
    from control.peer.caller import loaded

    try:
        return loaded(question_and_answer(sounds))
    except SoundError as error:
        raise click.ClickException(str(error)) from error


@contextmanager
def _progress(out: Console) -> Iterator[Callable[[str], None]]:
    """One line that changes, on a terminal; a line now and then where they are kept."""
    if out.is_terminal:
        with out.status("…") as status:
            yield status.update
        return
    told_at = 0.0

    def tell(line: str) -> None:
        nonlocal told_at
        if time.monotonic() >= told_at + LINE_EVERY_S:
            told_at = time.monotonic()
            out.print(line)

    yield tell


def show(found: Capacity, out: Console) -> None:
    """The figures, for people."""
    verdicts = Column("", no_wrap=True)  # a reason that is cut is none
    table = Table("calls", verdicts, "CPU cores", "clock late", "loop", "answer p95", "stt busy", "tts busy", box=None)
    for rung in found.rungs:
        verdict = "[green]held" if rung.holds else f"[red]{escape(rung.limiting or '')}"
        answer = "–" if rung.response_p95_ms is None else f"{rung.response_p95_ms:.0f} ms"
        busy = (f"{rung.load[lane]:.0%}" for lane in ("stt", "tts"))
        clock, loop = f"{rung.clock_p99_ms:.1f} ms", f"{rung.loop_load:.0%}"
        table.add_row(str(rung.calls), verdict, f"{rung.cpu_cores:.2f}", clock, loop, answer, *busy)
    out.print(table)
    cores = "core" if found.cores == 1 else "cores"
    out.print(f"\n[bold]{found.calls} calls at once[/] on {found.cores} {cores}; limited by {escape(found.limited_by)}")
    for name, value in found.settings.items():
        out.print(f"  set   {name}={value}   (the callers were rung by the same machine: it carries no fewer)")
