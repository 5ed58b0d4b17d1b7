"""`atende bench calls`: keeps many scripted calls going against a running service, and tells how it did."""

from __future__ import annotations

import asyncio
import signal
import threading
from typing import TYPE_CHECKING

import click
import msgspec
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from control.cli.call import RingOptions, dialed_of, ring_options, script_of, settings_of

if TYPE_CHECKING:
    from control.peer.load import Load, LoadPlan
    from control.peer.tally import LoadReport, Spread
    from control.settings import Settings

MAX_CALLS = 2000
MAX_MINUTES = 24 * 60
DEFAULT_SECONDS = 60.0
FULL_AFTER_S = 5.0
"""All calls are up after so long, unless --ramp says otherwise."""
LOOK_EVERY_S, LINE_EVERY_S = 0.5, 5.0
"""Progress: on a terminal, and where lines are kept."""
SPREADS = {
    "answer": "first ring → answered",
    "greeting": "answered → greeting's first sound",
    "response": "caller's last sample → reply's first sound",
    "interruption": "caller interrupts → voice has stopped",
    "cadence": "frames late against their 20 ms grid",
}


class BenchOptions(RingOptions, frozen=True, kw_only=True):
    """The command line, as it was written."""

    calls: int
    seconds: float | None
    minutes: float | None
    ramp: float | None


@click.group("bench")
def bench_command() -> None:
    """Measure a running service."""


@bench_command.command("calls")
@ring_options
@click.option("-n", "--calls", type=click.IntRange(1, MAX_CALLS), default=10, show_default=True, help="Calls at once.")
@click.option("--seconds", type=click.FloatRange(1, MAX_MINUTES * 60), help="How long calls are rung (default 60).")
@click.option("--minutes", type=click.FloatRange(0.1, MAX_MINUTES), help="The same in minutes.")
@click.option("--ramp", type=click.FloatRange(0.1, 1000), help="New calls in a second, at most (default: n / 5).")
@click.pass_context
def calls_command(context: click.Context, /, **written: object) -> None:
    """Keep N calls going: whoever has hung up is followed by the next, until the time is over or Ctrl-C.

    Each call plays the script; without one it hears the greeting, says each WAV, hears its answer, hangs up. Exit 1
    when a call failed, or none was answered.
    """
    options = msgspec.convert(written, BenchOptions)
    if options.seconds is not None and options.minutes is not None:
        raise click.UsageError("give --seconds or --minutes, not both")
    settings = settings_of(context)
    plan = _plan(options, settings)
    host, port = options.host or settings.esl_host, options.port or settings.esl_port
    found, nobody = asyncio.run(
        _bench(plan, host, port, options.source, Console(stderr=True, quiet=options.quiet, highlight=False))
    )
    _show(found, Console(highlight=False, soft_wrap=True))
    if options.report is not None:
        found.save(options.report)
    if nobody:
        raise click.ClickException(f"nobody listens at {host}:{port}: is `atende serve` running?")
    if not found.good:
        raise SystemExit(1)


def _plan(options: BenchOptions, settings: Settings) -> LoadPlan:
    """What is rung. Raises UsageError, ClickException."""
    from control.peer import SoundError
    from control.peer.caller import loaded
    from control.peer.load import LoadPlan

    try:
        script = loaded(script_of(options))
    except SoundError as error:
        raise click.ClickException(str(error)) from error
    return LoadPlan(
        dialed=dialed_of(options, settings),
        script=script,
        calls=options.calls,
        seconds=options.minutes * 60 if options.minutes is not None else options.seconds or DEFAULT_SECONDS,
        ramp_per_s=options.ramp or max(1.0, options.calls / FULL_AFTER_S),
    )


async def _bench(plan: LoadPlan, host: str, port: int, source: str | None, console: Console) -> tuple[LoadReport, bool]:
    """Ring until the time is over or the first Ctrl-C; a second one is as hard as ever.

    The figures, and whether nobody was at the door.
    """
    from control.peer import ReferenceClock, Switch
    from control.peer.load import Load

    loop = asyncio.get_running_loop()
    with ReferenceClock() as reference:
        async with Switch(host, port, local_host=source, reference=reference) as switch:
            load = Load(switch, plan, reference)

            def interrupted() -> None:
                loop.remove_signal_handler(signal.SIGINT)
                load.stop()

            # Signals reach the main thread alone.
            if threading.current_thread() is threading.main_thread():
                loop.add_signal_handler(signal.SIGINT, interrupted)
            watching = asyncio.create_task(_watch(load, plan, console), name="bench progress")
            try:
                await load.run()
            finally:
                loop.remove_signal_handler(signal.SIGINT)
                watching.cancel()
            return load.report(), load.nobody


async def _watch(load: Load, plan: LoadPlan, console: Console) -> None:
    """Shows how it goes, until it is cancelled."""
    began = asyncio.get_running_loop().time()

    def line() -> str:
        tally, seconds = load.tally, asyncio.get_running_loop().time() - began
        refused, failed = tally.refused.total(), tally.failed.total()
        counts = f"{tally.made} made, {tally.ok} ok, {refused} refused, {failed} failed"
        return f"{seconds:6.0f} of {plan.seconds:.0f} s  {load.live:4} calls  {counts}"

    if console.is_terminal:
        with console.status(line()) as status:
            while True:
                await asyncio.sleep(LOOK_EVERY_S)
                status.update(line())
    while True:
        await asyncio.sleep(LINE_EVERY_S)
        console.print(line())


def _show(found: LoadReport, out: Console) -> None:
    """The figures, for people."""
    ended = " (ended before its time)" if found.stopped else ""
    out.print(
        f"{found.made} calls in {found.seconds:.0f} s{ended}, {found.most_at_once} at once of {found.at_once}: "
        f"[green]{found.ok} ok[/], {sum(found.refused.values())} refused, {sum(found.failed.values())} failed, "
        f"{found.cut} cut off before the answer"
    )
    for colour, reasons in (("yellow", found.refused), ("red", found.failed)):
        for reason, count in sorted(reasons.items(), key=lambda item: -item[1]):
            out.print(f"  [{colour}]{count:6} × {escape(reason)}[/]")
    for hazard, count in found.hazards.items():
        out.print(f"  [red]{count:6} × dangerous on a real switch: {escape(hazard)}[/]")
    table = Table("milliseconds", *(("of", "p50", "p95", "p99", "max")), box=None)
    for name, what in SPREADS.items():
        spread: Spread | None = getattr(found, name)
        if spread is not None:
            times = (spread.p50_ms, spread.p95_ms, spread.p99_ms, spread.max_ms)
            table.add_row(what, str(spread.count), *(f"{time:.1f}" for time in times))
    if table.row_count:
        out.print(table)
    peer = found.peer
    out.print(
        f"{found.silences} gaps of more than 60 ms on the wire. Ourselves: an idle clock was late by p99 "
        f"{peer.p99_ms:.1f}, at most {peer.max_ms:.1f} ms ({peer.excluded_share:.2%} of the time left out), "
        f"our sending by at most {found.peer_sending_late_ms:.1f} ms"
    )
    if found.void:
        out.print("[red]Void: this machine was too busy to measure; the times are not those of the service.[/]")
