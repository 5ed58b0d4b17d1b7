"""`atende serve`: take calls, and say how to reach us."""

from contextlib import ExitStack

import click
import uvicorn
from msgspec import structs
from rich.console import Console

from control.cli.context import program, stages
from control.cli.draining import DrainingServer
from control.cli.starting import Starting, door_listener, http_listener, told
from control.cli.workers import serve_with_workers
from control.process import Process
from control.service import Service
from control.slow_loop import SlowLoop
from control.slow_loop import told as told_of_block
from control.watchdog import Watchdog
from control.workers.seat import Place, url_of


@click.command("serve")
@click.option("--workers", type=click.IntRange(0, 64), help="Processes that take calls; 0: one does everything.")
@click.pass_context
def serve_command(context: click.Context, workers: int | None) -> None:
    """Serve: the phone door for FreeSWITCH and the HTTP door for operators, until SIGINT or SIGTERM.

    Then no further call is taken, and live ones have ATENDE_DRAIN_S to end; a second signal waits for none. With
    workers a SIGHUP has every process relieved by a fresh one; a former one ends when its calls are over, or have
    outlived ATENDE_RELIEF_DRAIN_S (an hour).
    """
    tool = program(context)
    if (workers if workers is not None else tool.settings.workers) > 0:
        serve_with_workers(tool.settings, workers)
        return
    stages(context)
    found = structs.replace(tool.settings, workers=0)
    servers: list[DrainingServer] = []

    def begun(service: Service) -> None:
        servers[0].serves(service)
        watch(service)
        _announce(service)

    with ExitStack() as stack:
        listener = stack.enter_context(http_listener(found))
        door = stack.enter_context(door_listener(found)) if found.shared else None
        place = Place(door=door, url=url_of(listener, found.internal_host))
        starting = Starting(tool.create_app(found, begun, place))
        server = DrainingServer(configured(starting), found.drain_s)
        servers.append(server)
        try:
            server.run(sockets=[listener])
        except SystemExit:
            if server.started:
                raise
    if not server.started:
        raise told(starting.failure, found) or SystemExit(1)


def configured(app: Starting) -> uvicorn.Config:
    """How every HTTP server of ours runs."""
    return uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        server_header=False,
        loop="uvloop",
        timeout_graceful_shutdown=10,
    )


def watch(process: Process) -> None:
    """It does what it is for: see that what comes is attended to."""
    Watchdog()
    SlowLoop(lambda blocked: told_of_block(blocked, process.blame))


def _announce(service: Service) -> None:
    """How to reach what has just begun to serve."""
    settings, out = service.settings, Console(stderr=True, highlight=False, soft_wrap=True)
    host, port = service.address
    out.print(f"\n[bold]Atende answers.[/]  {_tenants(service)}")
    out.print(f"  FreeSWITCH   socket {host}:{port} async full   (atende dialplan --tenant SLUG prints the lines)")
    out.print(f"  health       http://{settings.http_host}:{settings.http_port}/health/ready")
    out.print(f"  data         {settings.data_dir.resolve()}")
    for entry in service.directory.tenants()[:1]:
        out.print(f"  try it       atende call --tenant {entry.slug} question.wav   (in another terminal)")
    out.print("  stop         Ctrl-C; live calls may end, a second Ctrl-C gives them back to their dialplans\n")


def _tenants(service: Service) -> str:
    entries = service.directory.tenants()
    names = ", ".join(f"{entry.slug} ({', '.join(sorted(entry.numbers))})" for entry in entries)
    failed = [status for status in service.tenants if status.problem]
    many = "1 document" if len(failed) == 1 else f"{len(failed)} documents"
    bad = f"  [red]{many} failed: see the log[/]" if failed else ""
    return (names or "no tenant yet") + bad
