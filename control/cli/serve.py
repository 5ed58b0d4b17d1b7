"""`atende serve`: take calls, and say how to reach us."""

import click
import uvicorn
from rich.console import Console

from control.cli.context import program, stages
from control.cli.draining import DrainingServer
from control.cli.starting import Starting, http_listener, told
from control.service import Service
from control.slow_loop import SlowLoop
from control.slow_loop import told as told_of_block
from control.watchdog import Watchdog


@click.command("serve")
@click.pass_context
def serve_command(context: click.Context) -> None:
    """Serve: the phone door for FreeSWITCH and the HTTP door for operators, until SIGINT or SIGTERM.

    Then no further call is taken, and live ones have ATENDE_DRAIN_S to end; a second signal waits for none.
    """
    tool = program(context)
    stages(context)
    servers: list[DrainingServer] = []

    def begun(service: Service) -> None:
        servers[0].serves(service)
        _begun(service)

    starting = Starting(tool.create_app(tool.settings, begun))
    config = uvicorn.Config(
        starting,
        log_config=None,
        access_log=False,
        server_header=False,
        loop="uvloop",
        timeout_graceful_shutdown=10,
    )
    server = DrainingServer(config, tool.settings.drain_s)
    servers.append(server)
    with http_listener(tool.settings) as listener:
        try:
            server.run(sockets=[listener])
        except SystemExit:
            if server.started:
                raise
    if not server.started:
        raise told(starting.failure, tool.settings) or SystemExit(1)


def _begun(service: Service) -> None:
    """Calls can come: say so, and watch that they are attended to."""
    Watchdog()
    SlowLoop(lambda blocked: told_of_block(blocked, service.supervisor.blame))
    _announce(service)


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
