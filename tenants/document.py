"""A tenant's YAML document: parsed and checked, with every mistake at its line and column."""

import hashlib
from collections.abc import Collection, Mapping
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from msgspec import UNSET, Struct, structs

from base.ids import TenantId
from base.languages import LanguageUnknownError, language, tag
from pipelines.check import DEFAULT_GRAPH, CheckedAssistant, check
from pipelines.problems import SpecError
from pipelines.revision import Keeps, PipelineRevision
from pipelines.spec import AssistantSpec, ProcessorSpec
from processors.catalog import AnyFactory, Stages
from tenants.convert import salvage, strict
from tenants.cross_checks import check_references
from tenants.errors import DocumentError, did_you_mean
from tenants.named import ServerFacts, resolve_endpoints, tell_secrets
from tenants.nodes import YamlError
from tenants.providers import check_providers, written_in_node
from tenants.report import Report
from tenants.spec import KnowledgeSpec, TenantSpec
from tenants.yaml_nodes import compose


class TenantDocument(Struct, frozen=True, kw_only=True):
    """A document that can be loaded."""

    file: str
    raw: bytes
    spec: TenantSpec
    """With providers in the place of their names, and the URLs of endpoints in the place of theirs."""
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
    *,
    server: ServerFacts | None = None,
) -> TenantDocument:
    """Bytes to a document whose types, names and pipelines are right. `stages` is the catalog when None.

    `switches` are those of the server, one of which it may name; None where they are not known. What else of
    the server a document may name is in `server`; None: nothing, and any secret.
    Raises DocumentError: with the one mistake of a text that is not YAML, or with all that there are.
    """
    report = Report(file)
    try:
        node = compose(raw)
    except YamlError as error:
        report.add(error.mark, "$", error.message, error.hint)
        raise DocumentError(report.problems) from error
    spec = salvage(node, TenantSpec, report)
    if spec is not None:
        catalog = Stages() if stages is None else stages
        spec = _checked(spec, report, catalog, switches, server or ServerFacts())
    if spec is None or report.problems:
        raise DocumentError(report.problems)
    return TenantDocument(file=file, raw=raw, spec=spec, digest=hashlib.sha256(raw).hexdigest())


def _checked(
    spec: TenantSpec,
    report: Report,
    catalog: Mapping[str, AnyFactory],
    switches: Collection[str] | None,
    server: ServerFacts,
) -> TenantSpec | None:
    """The spec as it is loaded, if there are no problems in the report then."""
    written = spec
    _check_names(spec, report)
    _check_switch(spec, report, switches)
    check_references(spec, report)
    tell_secrets(spec, report, server)
    spec = resolve_endpoints(spec, report, server)
    spec = check_providers(spec, report, catalog)
    _check_pipelines(written, spec, report, catalog, streaming=server.streaming)
    if report.problems:
        return None
    whole = strict(spec, report)
    return whole and _in_one_spelling(whole)


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
        keeps=Keeps(words=spec.retention.transcripts_days > 0, recordings=spec.retention.recordings_days > 0),
    )


def checked_assistants(
    spec: TenantSpec, stages: Mapping[str, AnyFactory] | None = None
) -> tuple[CheckedAssistant, ...]:
    """The assistants of a document as they would run. Raises SpecError."""
    return check(to_revision(spec, 0, "").assistants, stages)


def _with_knowledge(assistant: AssistantSpec, knowledge: KnowledgeSpec) -> AssistantSpec:
    ours: dict[str, float] = {"top_k": knowledge.top_k}
    if knowledge.min_score is not None:
        ours["min_score"] = knowledge.min_score
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
        report.tell("$.time_zone", f"{spec.time_zone!r} is no IANA zone", "e.g. America/Sao_Paulo")
    _check_language("$.language", spec.language, report)
    for index, assistant in enumerate(spec.assistants):
        if assistant.language is not None:
            _check_language(f"$.assistants[{index}].language", assistant.language, report)


def _check_switch(spec: TenantSpec, report: Report, switches: Collection[str] | None) -> None:
    if spec.switch is not None and switches is not None and spec.switch not in switches:
        hint = did_you_mean(spec.switch, tuple(switches))
        report.tell("$.switch", f"the server's settings have no switch {spec.switch!r}", hint)


def _check_language(path: str, written: str, report: Report) -> None:
    try:
        language(written)
    except LanguageUnknownError as error:
        report.tell(path, str(error))


def _check_pipelines(
    written: TenantSpec, spec: TenantSpec, report: Report, catalog: Mapping[str, AnyFactory], *, streaming: bool
) -> None:
    try:
        check(to_revision(spec, 0, "").assistants, catalog, streaming=streaming)
    except SpecError as error:
        for problem in error.problems:
            if written_in_node(written, problem.path):
                report.tell(problem.path, problem.message, problem.hint)
