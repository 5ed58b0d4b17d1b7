"""`atende doctor`: what is not as it should be, and what to do about it."""

import asyncio

import click
import msgspec
from rich.console import Console
from rich.markup import escape

from control.cli.context import program
from control.findings import Finding, exit_code
from control.switches import Switch, SwitchUnknownError, find

MARKS = {"ok": "[green]ok  [/]", "warn": "[yellow]warn[/]", "fail": "[red]FAIL[/]", "skip": "[dim]skip[/]"}


@click.command("doctor")
@click.option("--json", "as_json", is_flag=True, help="One JSON array instead of lines.")
@click.option("--switch", help="Look at this switch, and at nothing else.")
@click.pass_context
def doctor_command(context: click.Context, as_json: bool, switch: str | None) -> None:
    """Look at every switch, the ports, the clock, the disk, the models, the database, the vectors and the tenants'
    documents.

    One line each, with the fix. Exit code 1 when anything failed. Changes nothing; the embedded database is run for
    the look when no service runs it.
    """
    only = None
    if switch is not None:
        try:
            only = find(switch, program(context).settings.all_switches)
        except SwitchUnknownError as error:
            raise click.ClickException(str(error)) from error
    findings = asyncio.run(_examine(context, only, quiet=as_json))
    if as_json:
        click.echo(msgspec.json.encode(findings).decode())
    raise SystemExit(exit_code(findings))


async def _examine(context: click.Context, only: Switch | None, *, quiet: bool) -> list[Finding]:
    # Some looks bring pipecat: other commands start without it.
    from control.doctor import examine

    out, findings = Console(highlight=False, soft_wrap=True), []
    async for finding in examine(program(context).settings, only):
        findings.append(finding)
        if not quiet:
            name = f"{finding.switch}, {finding.name}" if finding.switch else finding.name
            out.print(f"{MARKS[finding.level]} {name}: {escape(finding.text)}")
            if finding.fix:
                out.print(f"       [dim]→ {escape(finding.fix)}[/]")
    return findings
