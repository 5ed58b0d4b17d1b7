"""The little of a tenant's document that a command needs; whether the rest is right the service tells."""

from pathlib import Path

import click

from control.settings import Settings
from tenants.convert import salvage
from tenants.errors import did_you_mean
from tenants.files import files_of
from tenants.report import Report
from tenants.spec import TenantSpec
from tenants.yaml_nodes import YamlError, compose


def written_tenant(slug: str, settings: Settings) -> TenantSpec:
    """The tenant of that slug as it is written, numbers and names read as publishing reads them, nothing checked.

    Raises ClickException where no file of the folder has it.
    """
    return tenant_file(slug, settings)[1]


def tenant_file(slug: str, settings: Settings) -> tuple[Path, TenantSpec]:
    """The same, and the file. Raises ClickException."""
    broken: list[str] = []
    others: list[str] = []
    for file in sorted(files_of(settings.tenants_dir), key=lambda file: (file.stem != slug, file.name)):
        try:
            spec = salvage(compose(file.read_bytes()), TenantSpec, Report(str(file)))
        except YamlError as error:
            broken.append(f"{file}:{error.mark.line}:{error.mark.column}: {error.message}")
            continue
        except OSError as error:
            broken.append(f"{file}: {error.strerror}")
            continue
        if spec is not None and spec.slug == slug and spec.tenant_id:
            return file, spec
        if spec is not None and spec.slug:
            others.append(spec.slug)
    none = f"no tenant document of {slug!r} in {settings.tenants_dir} ({did_you_mean(slug, sorted(others))})"
    raise click.ClickException("\n".join([none, *broken]))
