"""`atende doctor`: what is not as it should be, and what to do about it."""

import asyncio

import click
import msgspec
from rich.console import Console
from rich.markup import escape

from control.cli.context import program
from control.findings import Finding, exit_code

MARKS = {"ok": "[green]ok  [/]", "warn": "[yellow]warn[/]", "fail": "[red]FAIL[/]", "skip": "[dim]skip[/]"}


@click.command("doctor")
@click.option("--json", "as_json", is_flag=True, help="One JSON array instead of lines.")
@click.pass_context
def doctor_command(context: click.Context, as_json: bool) -> None:
    """Look at the switch, the ports, the clock, the disk, the models, the database and the tenants' documents.

    One line each, with the fix. Exit code 1 when anything failed. Changes nothing.
    """
    findings = asyncio.run(_examine(context, quiet=as_json))
    if as_json:
        click.echo(msgspec.json.encode(findings).decode())
    raise SystemExit(exit_code(findings))


async def _examine(context: click.Context, *, quiet: bool) -> list[Finding]:
    # Some looks bring pipecat: other commands start without it.
    from control.doctor import examine

    out, findings = Console(highlight=False, soft_wrap=True), []
    async for finding in examine(program(context).settings):
        findings.append(finding)
        if not quiet:
            out.print(f"{MARKS[finding.level]} {finding.name}: {escape(finding.text)}")
            if finding.fix:
                out.print(f"       [dim]→ {escape(finding.fix)}[/]")
    return findings
