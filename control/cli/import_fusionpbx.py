"""`atende import fusionpbx`: a PBX's domains become tenants' documents. The PBX is only read."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final, get_args

import click
import msgspec

from base.secret import Secret
from control.cli.context import program, stages
from control.server_facts import server_facts
from control.setting_values import database_url
from tenants.errors import nearest

if TYPE_CHECKING:
    from control.settings import Settings
    from processors.catalog import Stages
    from tenants.fusionpbx.plan import Planned
    from tenants.fusionpbx.reading import Pbx
    from tenants.fusionpbx.rows import DomainRow

BATCH: Final = 50
"""Domains that are read and drafted at a time."""
VARIABLE: Final = "ATENDE_FUSIONPBX_DATABASE_URL"


@click.group("import")
def import_command() -> None:
    """Make tenants' documents of what a PBX knows."""


@import_command.command("fusionpbx")
@click.option("--database", "url", help=f"postgresql://role@host/fusionpbx (default: {VARIABLE}, which no `ps` shows).")
@click.option("--domain", "names", multiple=True, help="Only this domain, by its name. Repeatable.")
@click.option("--write", is_flag=True, help="Write the files; without it nothing is changed.")
@click.option("--force", is_flag=True, help="With --write: overwrite files that were changed by hand, too.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object instead of lines.")
@click.pass_context
def fusionpbx_command(
    context: click.Context, url: str | None, names: tuple[str, ...], *, write: bool, force: bool, as_json: bool
) -> None:
    """Draft a tenant's document of each domain of FusionPBX, and tell what differs from the tenants folder.

    One word for each: new, changed, same, skipped (nothing to answer), not importable; the last ends with exit code 1.
    A file that was changed by hand since the last import is kept.
    """
    if force and not write:
        raise click.UsageError("--force goes with --write")
    settings = program(context).settings
    planned, notes = _run(settings, stages(context), _url(url, settings), names)
    failed = _write(planned, settings, force=force) if write else {}
    for note in notes:
        click.echo(f"note: {note}", err=True)
    if as_json:
        click.echo(_as_json(planned, notes, failed, write=write, force=force))
    else:
        _tell(planned, failed, write=write, force=force)
    if failed or any(one.status == "not importable" for one in planned):
        raise SystemExit(1)


def _url(written: str | None, settings: Settings) -> Secret:
    if written is None and settings.fusionpbx_database_url is not None:
        return settings.fusionpbx_database_url
    if written is None:
        raise click.UsageError(f"give --database, or set {VARIABLE}")
    try:
        return database_url(written)
    except ValueError as error:
        raise click.UsageError(f"--database {error}") from None


def _run(
    settings: Settings, catalog: Stages, url: Secret, names: tuple[str, ...]
) -> tuple[list[Planned], tuple[str, ...]]:
    from tenants.fusionpbx.reading import PbxError

    try:
        return asyncio.run(_planned(settings, catalog, url, names))
    except (PbxError, OSError) as error:
        raise click.ClickException(str(error)) from error


async def _planned(
    settings: Settings, catalog: Stages, url: Secret, names: tuple[str, ...]
) -> tuple[list[Planned], tuple[str, ...]]:
    from tenants.document import parse_document
    from tenants.fusionpbx.plan import Folder
    from tenants.fusionpbx.reading import open_pbx
    from tenants.fusionpbx.written import Written

    server = server_facts(settings)

    def check(raw: bytes, file: str) -> object:
        return parse_document(raw, file, catalog, settings.switch_names, server=server)

    folder = await asyncio.to_thread(lambda: Folder(settings.tenants_dir, Written(settings.data_dir).digests))
    planned: list[Planned] = []
    async with open_pbx(url) as pbx:
        domains = await _domains(pbx, names)
        for start in range(0, len(domains), BATCH):
            planned += [folder.plan(rows, check) for rows in await pbx.rows_of(domains[start : start + BATCH])]
            if len(domains) > BATCH:
                click.echo(f"{len(planned)} of {len(domains)} domains read", err=True)
        gone = () if names else folder.gone({one.tenant_id for one in planned})
        return planned, (*pbx.notes, *(f"{file}: FusionPBX has its domain no more; it stays as it is" for file in gone))


async def _domains(pbx: Pbx, names: tuple[str, ...]) -> Sequence[DomainRow]:
    """Those that are asked for, or all. Raises ClickException where there is none of a name."""
    found = await pbx.domains()
    known = [one.domain_name for one in found]
    for name in names:
        if name not in known:
            raise click.ClickException(
                f"FusionPBX has no domain {name!r} ({nearest(name, known) or f'it has {len(known)}'})"
            )
    return [one for one in found if not names or one.domain_name in names]


def _kept(one: Planned, *, force: bool) -> bool:
    return one.by_hand and not force


def _write(planned: Sequence[Planned], settings: Settings, *, force: bool) -> dict[str, str]:
    """What could not be written, and why, by tenant id."""
    from tenants.fusionpbx.written import ChangedMeanwhileError, Written

    failed: dict[str, str] = {}
    try:
        written = Written(settings.data_dir)
        for one in planned:
            if one.file is not None and not _kept(one, force=force):
                try:
                    written.write(one)
                except (ChangedMeanwhileError, OSError) as error:
                    failed[one.tenant_id] = str(error)
        written.keep()
    except OSError as error:
        raise click.ClickException(f"what was written cannot be remembered: {error}") from error
    return failed


def _tell(planned: Sequence[Planned], failed: dict[str, str], *, write: bool, force: bool) -> None:
    from tenants.fusionpbx.plan import Status

    for one in planned:
        why = f" ({one.why})" if one.why else f" → {one.file}"
        click.echo(f"{one.status}: {one.domain}{why}{_fate(one, failed, write=write, force=force)}")
        click.echo(one.diff, nl=False)
    counts = Counter(one.status for one in planned)
    told = ", ".join(f"{counts[status]} {status}" for status in get_args(Status) if counts[status]) or "no domains"
    click.echo(told if write else f"{told}; {_left(planned, force=force)}", err=True)


def _left(planned: Sequence[Planned], *, force: bool) -> str:
    """What --write would do where it is not given."""
    kept = sum(bool(one.diff) and _kept(one, force=force) for one in planned)
    if any(one.file is not None and one.diff and not _kept(one, force=force) for one in planned):
        return "nothing was written, --write does" + (f", but for {kept} changed by hand" if kept else "")
    return f"--write would write nothing: {kept} changed by hand" if kept else "there is nothing to write"


def _fate(one: Planned, failed: dict[str, str], *, write: bool, force: bool) -> str:
    """What becomes of the file, where the status does not say it."""
    if one.tenant_id in failed:
        return f": not written: {failed[one.tenant_id]}"
    if _kept(one, force=force):
        return ": changed by hand since the last import, and kept; --write --force overwrites it"
    return ": written" if write and one.diff else ""


def _as_json(
    planned: Sequence[Planned], notes: Sequence[str], failed: dict[str, str], *, write: bool, force: bool
) -> str:
    tenants = [
        {
            "domain": one.domain,
            "id": one.tenant_id,
            "slug": one.slug,
            "status": one.status,
            "why": failed.get(one.tenant_id, one.why),
            "file": None if one.file is None else str(one.file),
            "by_hand": one.by_hand,
            "written": write and bool(one.diff) and one.tenant_id not in failed and not _kept(one, force=force),
            "notes": one.notes,
            "diff": one.diff,
        }
        for one in planned
    ]
    return msgspec.json.encode({"notes": notes, "tenants": tenants}).decode()
