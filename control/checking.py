"""Whether tenant documents can be published, by everything that publishing looks at.

Told of each file: mistakes, and what it says that acts on nothing. What could not be looked at is told too.
"""

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path

from msgspec import Struct, structs

from control.cli.context import OpenTrial
from control.documents import lacking, looks_up
from control.secret_access import KnownSecrets, known_secrets
from control.server_facts import server_facts
from control.settings import Settings
from pipelines.problems import SpecError
from processors.catalog import AnyFactory
from processors.factory import PrepareError
from processors.plugins import stages_with
from tenants.convert import salvage
from tenants.document import TenantDocument, parse_document, to_revision
from tenants.errors import DocumentError, Located
from tenants.files import twin_of, twin_told
from tenants.named import ServerFacts, tell_secrets
from tenants.nodes import MAX_BYTES
from tenants.notices import notices
from tenants.placing import placed
from tenants.report import Report
from tenants.spec import TenantSpec
from tenants.yaml_nodes import compose


class CheckedFile(Struct, frozen=True, kw_only=True):
    """What was found in one file."""

    file: str
    problems: tuple[Located, ...] = ()
    notices: tuple[Located, ...] = ()
    document: TenantDocument | None = None

    @property
    def good(self) -> bool:
        """Whether it would be published."""
        return not self.problems


def check_files(files: Sequence[Path], found: Settings, secrets: KnownSecrets) -> list[CheckedFile]:
    """Each file by itself, and what only one tenant can have. Blocks; loads nothing, changes nothing.

    Raises PluginError.
    """
    stages, server = stages_with(found.plugins), server_facts(found, secrets.has)
    checked: list[CheckedFile] = []
    for file in files:
        one = _check_file(file, found, stages, server)
        others = [other.document for other in checked if other.good and other.document is not None]
        if one.document is not None:
            one = structs.replace(one, problems=_shared(one.document, others))
        checked.append(one)
    return checked


async def secrets_for(files: Sequence[Path], found: Settings) -> KnownSecrets:
    """Those that these documents may name."""
    return await known_secrets(found, await asyncio.to_thread(lambda: [_text(file) for file in files]))


def _text(file: Path) -> bytes:
    try:
        with file.open("rb") as opened:
            return opened.read(MAX_BYTES)
    except OSError:
        return b""


def _check_file(file: Path, found: Settings, stages: Mapping[str, AnyFactory], server: ServerFacts) -> CheckedFile:
    if (twin := twin_of(file)) is not None:
        return _refused(file, twin_told(twin))
    try:
        document = parse_document(file.read_bytes(), str(file), stages, found.switch_names, server=server)
    except OSError as error:
        return _refused(file, error.strerror or str(error))
    except DocumentError as error:
        return CheckedFile(file=str(file), problems=error.problems)
    return CheckedFile(file=str(file), document=document, notices=_notices(document, found))


def _refused(file: Path, message: str) -> CheckedFile:
    told = Located(file=str(file), line=0, column=0, path="", message=message)
    return CheckedFile(file=str(file), problems=(told,))


def _notices(document: TenantDocument, found: Settings) -> tuple[Located, ...]:
    """What acts on nothing, and documents that are looked up and are not there."""
    report = Report(document.file, compose(document.raw))
    if looks_up(document.spec.assistants) and (lack := lacking(found.knowledge_dir / document.spec.slug)) is not None:
        report.tell("$.slug", lack)
    return tuple(sorted((*notices(document), *report.problems), key=lambda one: (one.line, one.column)))


def _shared(document: TenantDocument, others: Sequence[TenantDocument]) -> tuple[Located, ...]:
    """What a document has that only one tenant can have."""
    report = Report(document.file, compose(document.raw))
    for other in others:
        for field in ("id", "slug", "domain"):
            if getattr(document.spec, field).lower() == getattr(other.spec, field).lower():
                report.tell(f"$.{field}", f"{other.file} has the same {field}")
    return tuple(report.problems)


def missing_secrets(document: TenantDocument, server: ServerFacts) -> tuple[Located, ...]:
    """Where a document names a secret that its tenant does not have."""
    root = compose(document.raw)
    report = Report(document.file, root)
    written = salvage(root, TenantSpec, report)
    if written is not None:
        tell_secrets(written, report, server)
    return tuple(report.problems)


async def check_deeply(checked: Sequence[CheckedFile], found: Settings, open_trial: OpenTrial) -> list[CheckedFile]:
    """The same, after each good document was loaded as publishing does, and let go of. One after the other."""
    async with open_trial(found) as loader:
        deep: list[CheckedFile] = []
        for one in checked:
            if one.document is None or not one.good or not one.document.spec.enabled:
                deep.append(one)
                continue
            revision = to_revision(one.document.spec, 0, one.document.digest)
            try:
                await loader.discard(await loader.load(revision))
            except (SpecError, PrepareError) as error:
                one = structs.replace(one, problems=await asyncio.to_thread(placed, one.document, error))
            deep.append(one)
        return deep


def not_checked(secrets: KnownSecrets, *, deep: bool) -> list[str]:
    """What could not be looked at here, a line each."""
    told = []
    if secrets.has is None:
        told.append(f"secrets: {secrets.why}")
    if not deep:
        told.append("whether models, keys and addresses let every stage be made ready: --deep looks")
    told.append("whether a tenant whose document was not given has the same slug or domain")
    return told
