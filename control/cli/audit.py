"""`atende audit`: list who changed what, and verify that nothing of it was altered."""

import re
from typing import Any, Final
from uuid import UUID

import click

from control.cli.audit_desks import ShownEntry, audit_desk
from control.cli.terminal import JSON, listed
from control.cli.where import RULE, asks
from control.cli.whose import of_tenant
from tenants.audit import Link

_KEPT: Final = re.compile(r"([1-9][0-9]{0,17}):([0-9a-f]{64})")
MAX_LISTED: Final = 1000
MAX_NUMBER: Final = 2**63 - 1


def _read_kept(_: click.Context, __: click.Parameter, written: str | None) -> Link | None:
    if written is None:
        return None
    match = _KEPT.fullmatch(written)
    if match is None:
        raise click.BadParameter("it is a number, a colon and 64 digits of hex, as verifying prints them")
    return Link(int(match[1]), match[2])


@click.group("audit", epilog=RULE)
def audit_command() -> None:
    """List and verify the audit log."""


@audit_command.command("list")
@of_tenant("entries")
@click.option("--limit", type=click.IntRange(1, MAX_LISTED), default=50, show_default=True, help="So many at most.")
@click.option("--before", type=click.IntRange(1, MAX_NUMBER), help="Only those before the entry of this number.")
@JSON
@click.pass_context
def list_command(
    context: click.Context, slug: str | None, written_id: UUID | None, limit: int, before: int | None, as_json: bool
) -> None:
    """List who changed what, the newest first. Times are in UTC."""
    with audit_desk(context, slug, written_id) as audit:
        found = audit.listed(limit, before)
    columns = ("number", "at", "action", "outcome", "by", "what")
    listed(found, as_json, columns, _cells, "there are no entries")


@audit_command.command("verify")
@of_tenant("entries")
@click.option("--all", "of_all", is_flag=True, help="The platform's and every tenant's.")
@click.option(
    "--kept",
    metavar="NUMBER:DIGEST",
    callback=_read_kept,
    help="What verifying printed earlier: nothing up to there was removed or written anew.",
)
@click.pass_context
def verify_command(
    context: click.Context, slug: str | None, written_id: UUID | None, of_all: bool, kept: Link | None
) -> None:
    """Say whether a chain of entries holds, with the number and digest of its last; 1 where one does not.

    Keep what is printed in another place: removed entries at the end are missed by it alone (--kept).
    """
    if of_all and (slug is not None or written_id is not None or kept is not None):
        raise click.UsageError("--all goes with none of --tenant, --tenant-id and --kept")
    with audit_desk(context, slug, written_id) as audit:
        found = audit.all_verified() if of_all else [audit.verified(kept)]
    for one in found:
        holds = f"holds to {one.held_to}:{one.digest}" if one.held_to else "has no entries"
        click.echo(f"{slug or one.tenant_id or 'platform'}: {one.fault or holds}", err=one.fault is not None)
    if not found:
        click.echo("there are no entries", err=True)
    if any(one.fault is not None for one in found):
        context.exit(1)


def _cells(one: ShownEntry) -> tuple[object, ...]:
    states = [_state(one.before), _state(one.after)]
    what = " ".join(part for part in (one.object, " -> ".join(states) if any(states) else "") if part)
    by = " ".join(part for part in (one.actor.kind, one.actor.id) if part)
    return one.number, f"{one.at:%Y-%m-%d %H:%M:%S}", one.action, one.outcome, by, what


def _state(state: dict[str, Any]) -> str:
    """What of it applies; a digest by its beginning."""
    facts = {name: value for name, value in state.items() if value not in (None, "")}
    return " ".join(f"{name}={str(value)[:12] if name == 'digest' else value}" for name, value in facts.items())


asks(audit_command, local=True)
