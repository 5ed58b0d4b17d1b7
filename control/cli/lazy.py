"""The group of all commands, each of which is loaded when it is called: a list of them, or a version, loads none."""

from importlib import import_module
from typing import Final

import click

COMMANDS: Final = {
    "audit": "List and verify the audit log.",
    "bench": "Measure a running service.",
    "call": "Ring the service with recorded speech, or with a script, and measure.",
    "calls": "Look at live calls and finished ones, and act on live ones.",
    "capacity": "Measure how many calls this machine carries with these settings.",
    "check": "Check tenant documents, for everything that publishing would refuse.",
    "database": "Copy the database into a file, or bring such a copy back.",
    "demo": "Ring the example tenants with recorded callers and show every turn.",
    "dialplan": "Print a tenant's dialplan, or what a PBX needs beside it.",
    "doctor": "Look whether everything is as it should be, and say what to do.",
    "graph": "Draw how a call goes through each assistant's stages.",
    "import": "Make tenants' documents of what a PBX knows.",
    "jobs": "Show how each kind of job fares, and the jobs that are not done.",
    "keys": "Make, list and revoke keys of the REST API.",
    "models": "Model files: fetch, list, verify.",
    "schema": "Print the JSON Schema (2020-12) of tenant documents.",
    "secret": "Set, list and remove the secrets of a tenant; exchange the master key.",
    "serve": "Serve: the phone door for FreeSWITCH, and the HTTP door for operators.",
    "tail": "Follow what happens: calls, documents, trials, keys, alarms.",
    "tenants": "List companies, and read and change their documents.",
}
"""Each command's one line in the list; its module is `control.cli.…`, in which it is called `…_command`."""
_HIDDEN: Final = frozenset({"worker"})
_MODULES: Final = {"import": "import_fusionpbx"}


class LazyGroup(click.Group):
    """Has `COMMANDS`, and those that are added."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """By name."""
        return sorted({*COMMANDS, *self.commands})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Loaded now, where it is one of ours."""
        if cmd_name not in COMMANDS and cmd_name not in _HIDDEN:
            return super().get_command(ctx, cmd_name)
        module = import_module(f"control.cli.{_MODULES.get(cmd_name, cmd_name)}")
        command: click.Command = getattr(module, f"{cmd_name}_command")
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The list, without loading any."""
        added = [(name, one.get_short_help_str()) for name, one in self.commands.items()]
        with formatter.section("Commands"):
            formatter.write_dl(sorted([*COMMANDS.items(), *added]))
