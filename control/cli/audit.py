"""`atende audit`: list who changed what, and verify that nothing of it was altered, whether or not a service runs."""

import re
from collections.abc import Sequence
from typing import Final
from uuid import UUID

import click
import msgspec
from msgspec import structs

from base.ids import TenantId
from control.cli.context import program
from control.cli.stored import run, stores
from control.cli.whose import of_tenant, tenant_named
from tenants.audit import AuditEntry, State, Verdict
from tenants.audit_store import AuditLog

_COLUMNS: Final = "{:>7}  {:<19}  {:<17}  {:<7}  {:<24}  {}"
_KEPT: Final = re.compile(r"([1-9][0-9]{0,17}):([0-9a-f]{64})")
MAX_LISTED: Final = 1000
MAX_NUMBER: Final = 2**63 - 1


def _read_kept(_: click.Context, __: click.Parameter, written: str | None) -> tuple[int, str] | None:
    if written is None:
        return None
    match = _KEPT.fullmatch(written)
    if match is None:
        raise click.BadParameter("it is a number, a colon and 64 digits of hex, as verifying prints them")
    return int(match[1]), match[2]


@click.group("audit")
def audit_command() -> None:
    """List and verify the audit log. Run it where the service runs, with its settings."""


@audit_command.command("list")
@of_tenant("entries")
@click.option("--limit", type=click.IntRange(1, MAX_LISTED), default=50, show_default=True, help="So many at most.")
@click.option("--before", type=click.IntRange(1, MAX_NUMBER), help="Only those before the entry of this number.")
@click.option("--json", "as_json", is_flag=True, help="One JSON array instead of lines.")
@click.pass_context
def list_command(
    context: click.Context, slug: str | None, written_id: UUID | None, limit: int, before: int | None, as_json: bool
) -> None:
    """List who changed what, the newest first. Times are in UTC."""
    settings = program(context).settings
    tenant_id = tenant_named(settings, slug, written_id)

    async def found() -> Sequence[AuditEntry]:
        async with stores(settings) as store:
            return await store.audit.list(tenant_id, limit, before)

    entries = run(found())
    if as_json:
        click.echo(msgspec.json.encode(entries).decode())
    elif entries:
        click.echo(_COLUMNS.format("number", "at", "action", "outcome", "by", "what"))
        for entry in entries:
            click.echo(_line(entry))
    else:
        click.echo("there are no entries", err=True)


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
    context: click.Context, slug: str | None, written_id: UUID | None, of_all: bool, kept: tuple[int, str] | None
) -> None:
    """Say whether a chain of entries holds, with the number and digest of its last; 1 where one does not.

    Keep what is printed in another place: removed entries at the end are missed by it alone (--kept).
    """
    settings = program(context).settings
    tenant_id = tenant_named(settings, slug, written_id)
    if of_all and (tenant_id is not None or kept is not None):
        raise click.UsageError("--all goes with none of --tenant, --tenant-id and --kept")

    async def verified() -> Sequence[tuple[Verdict, str]]:
        async with stores(settings) as store:
            chains = await store.audit.chains() if of_all else [tenant_id]
            return [await _verified(store.audit, chain, kept) for chain in chains]

    found = run(verified())
    for verdict, fault in found:
        holds = f"holds to {verdict.held_to}:{verdict.digest}" if verdict.held_to else "has no entries"
        click.echo(f"{slug or verdict.tenant_id or 'platform'}: {fault or holds}", err=bool(fault))
    if not found:
        click.echo("there are no entries", err=True)
    if any(fault for _, fault in found):
        context.exit(1)


async def _verified(audit: AuditLog, tenant_id: TenantId | None, kept: tuple[int, str] | None) -> tuple[Verdict, str]:
    """And what is wrong with the chain, in words; empty: nothing."""
    verdict = await audit.verify(tenant_id)
    if verdict.broken_at is not None:
        lacks = (
            f"the chain does not hold at entry {verdict.broken_at}: it, or what was before it, was altered or removed"
        )
        return verdict, lacks
    if kept is None:
        return verdict, ""
    number, digest = kept
    if verdict.held_to < number:
        return verdict, f"entries are lacking behind {verdict.held_to}: there were {number}"
    [entry] = await audit.page(tenant_id, number - 1, 1)
    return verdict, "" if entry.digest == digest else f"the chain was written anew, at entry {number} or before it"


def _line(entry: AuditEntry) -> str:
    change = entry.change
    states = [_state(change.before), _state(change.after)]
    what = " ".join(part for part in (change.object, " -> ".join(states) if any(states) else "") if part)
    by = " ".join(part for part in (change.actor.kind, change.actor.id) if part)
    times = f"{change.at:%Y-%m-%d %H:%M:%S}"
    return _COLUMNS.format(entry.number, times, change.action, change.outcome, by, what).rstrip()


def _state(state: State) -> str:
    """What of it applies; a digest by its beginning."""
    facts = {name: value for name, value in structs.asdict(state).items() if value not in (None, "")}
    return " ".join(f"{name}={str(value)[:12] if name == 'digest' else value}" for name, value in facts.items())
