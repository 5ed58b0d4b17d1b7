"""The little of a tenant's document that a command needs; whether the rest is right the service tells."""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import click

from control.settings import Settings
from tenants.convert import salvage
from tenants.errors import did_you_mean
from tenants.files import files_of
from tenants.nodes import YamlError
from tenants.report import Report
from tenants.spec import TenantSpec
from tenants.yaml_nodes import compose


def texts(settings: Settings) -> Iterator[tuple[str, Callable[[], bytes]]]:
    """A name for each tenant's present text, and what reads it, which raises OSError. Raises ClickException."""
    if settings.tenants == "folder":
        for file in files_of(settings.tenants_dir):
            yield str(file), file.read_bytes
        return
    from control.cli.stored import run, stored_texts

    for tenant_id, row in run(stored_texts(settings)):
        yield f"revision {row.number} of {tenant_id}", partial(bytes, row.document)


def where(settings: Settings) -> str:
    """Where the texts are kept."""
    return str(settings.tenants_dir) if settings.tenants == "folder" else "the database"


def written_tenant(slug: str, settings: Settings) -> TenantSpec:
    """The tenant of that slug as it is written, numbers and names read as publishing reads them, nothing checked.

    Raises ClickException where none has it.
    """
    return tenant_file(slug, settings)[1]


def tenant_file(slug: str, settings: Settings) -> tuple[bytes, TenantSpec]:
    """The same, and its text. Raises ClickException."""
    broken: list[str] = []
    others: list[str] = []
    for name, read in sorted(texts(settings), key=lambda text: (Path(text[0]).stem != slug, text[0])):
        try:
            raw = read()
            spec = salvage(compose(raw), TenantSpec, Report(name))
        except YamlError as error:
            broken.append(f"{name}:{error.mark.line}:{error.mark.column}: {error.message}")
            continue
        except OSError as error:
            broken.append(f"{name}: {error.strerror}")
            continue
        if spec is not None and spec.slug == slug and spec.tenant_id:
            return raw, spec
        if spec is not None and spec.slug:
            others.append(spec.slug)
    none = f"no tenant document of {slug!r} in {where(settings)} ({did_you_mean(slug, sorted(others))})"
    raise click.ClickException("\n".join([none, *broken]))
