"""A tenant's YAML document: parsed and checked, with every mistake at its line and column."""

import hashlib
import re
from collections.abc import Collection, Mapping
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from msgspec import UNSET, Struct, structs

from base.ids import TenantId
from base.languages import LanguageUnknownError, language, tag
from pipelines.check import DEFAULT_GRAPH, check
from pipelines.problems import SpecError
from pipelines.revision import PipelineRevision
from pipelines.spec import AssistantSpec, ProcessorSpec
from processors.catalog import AnyFactory
from tenants.convert import Report, convert, convert_rest, faulty
from tenants.errors import DocumentError, did_you_mean
from tenants.spec import KnowledgeSpec, TenantSpec
from tenants.yaml_nodes import START, Mark, YamlError, compose

STAND_IN: Final = TenantSpec(
    slug="x",
    id="00000000-0000-0000-0000-000000000000",
    domain="example.net",
    name="x",
    assistants=(AssistantSpec(name="x", numbers=("1",)),),
)
"""In place of what is wrong in a document while the rest of it is judged. Nothing is wrong with it."""


class TenantDocument(Struct, frozen=True, kw_only=True):
    """A document that can be loaded."""

    file: str
    raw: bytes
    spec: TenantSpec
    digest: str
    """SHA-256 of `raw`, in hex."""

    @property
    def tenant_id(self) -> TenantId:
        return self.spec.tenant_id


def parse_document(
    raw: bytes,
    file: str,
    stages: Mapping[str, AnyFactory] | None = None,
    switches: Collection[str] | None = None,
) -> TenantDocument:
    """Bytes to a document whose types, names and pipelines are right. `stages` is the catalog when None.

    `switches` are those of the server, one of which it may name; None where they are not known.
    Raises DocumentError with all mistakes: where it is not YAML, that; else what is wrong with its fields, and with
    what hangs on those that are right (its stages on the assistants, the knowledge and the language).
    """
    report = Report(file)
    try:
        node = compose(raw)
    except YamlError as error:
        report.add(error.mark, "$", error.message, error.hint)
        raise DocumentError(report.problems) from error
    spec = convert(node, TenantSpec, report)
    judged = convert_rest(node, STAND_IN, report) if spec is None else spec
    if judged is not None:
        sound = not faulty(report) & {"assistants", "knowledge", "language"}
        _check_names(judged, report)
        _check_switch(judged, report, switches)
        if sound:
            _check_pipelines(judged, report, stages)
    if spec is None or report.problems:
        raise DocumentError(report.problems)
    return TenantDocument(file=file, raw=raw, spec=_in_one_spelling(spec), digest=hashlib.sha256(raw).hexdigest())


def to_revision(spec: TenantSpec, number: int, digest: str) -> PipelineRevision:
    """What the supervisor loads: the document with the tenant's knowledge settings in its stages."""
    return PipelineRevision(
        tenant_id=spec.tenant_id,
        slug=spec.slug,
        company=spec.name,
        language=spec.language,
        number=number,
        digest=digest,
        assistants=tuple(_with_knowledge(assistant, spec.knowledge) for assistant in spec.assistants),
    )


def _with_knowledge(assistant: AssistantSpec, knowledge: KnowledgeSpec) -> AssistantSpec:
    ours = {name: value for name, value in structs.asdict(knowledge).items() if value is not None}
    nodes = DEFAULT_GRAPH if assistant.pipeline is UNSET else assistant.pipeline
    return structs.replace(assistant, pipeline=tuple(_searching(node, ours) for node in nodes))


def _searching(node: ProcessorSpec, knowledge: dict[str, float]) -> ProcessorSpec:
    return structs.replace(node, config=knowledge | node.config) if node.use == "rag.retrieve" else node


def _in_one_spelling(spec: TenantSpec) -> TenantSpec:
    assistants = tuple(
        structs.replace(assistant, language=assistant.language and tag(assistant.language))
        for assistant in spec.assistants
    )
    return structs.replace(spec, id=spec.id.lower(), language=tag(spec.language), assistants=assistants)


def _check_names(spec: TenantSpec, report: Report) -> None:
    try:
        ZoneInfo(spec.time_zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        report.add(
            place(report, "$.time_zone"), "$.time_zone", f"{spec.time_zone!r} is no IANA zone", "e.g. America/Sao_Paulo"
        )
    _check_language("$.language", spec.language, report)
    for index, assistant in enumerate(spec.assistants):
        if assistant.language is not None:
            _check_language(f"$.assistants[{index}].language", assistant.language, report)


def _check_switch(spec: TenantSpec, report: Report, switches: Collection[str] | None) -> None:
    if spec.switch is not None and switches is not None and spec.switch not in switches:
        hint = did_you_mean(spec.switch, tuple(switches))
        told = f"the server's settings have no switch {spec.switch!r}"
        report.add(place(report, "$.switch"), "$.switch", told, hint)


def _check_language(path: str, written: str, report: Report) -> None:
    try:
        language(written)
    except LanguageUnknownError as error:
        report.add(place(report, path), path, str(error))


def _check_pipelines(spec: TenantSpec, report: Report, stages: Mapping[str, AnyFactory] | None) -> None:
    try:
        check(to_revision(spec, 0, "").assistants, stages)
    except SpecError as error:
        for problem in error.problems:
            report.add(place(report, problem.path), problem.path, problem.message, problem.hint)


def place(report: Report, path: str) -> Mark:
    """Where a path stands, or the nearest part of it that the document has."""
    while path not in report.places:
        shorter = re.sub(r"(\.[^.\[\]]*|\[[^\[\]]*\])$", "", path)
        if shorter == path:
            return START
        path = shorter
    return report.places[path]
