"""What a good document says that nothing acts on: no mistakes, and nothing that its author should count on."""

from typing import Final

from msgspec import UNSET, inspect

from base.converting import type_info
from pipelines.check import DEFAULT_GRAPH
from pipelines.expectation import bare, choices
from tenants.convert import chosen, fields
from tenants.document import TenantDocument
from tenants.errors import Located
from tenants.field_docs import KEPT_TEXT, acted_on
from tenants.nodes import Mapping, Node, Sequence
from tenants.report import Report, member
from tenants.spec import TenantSpec
from tenants.yaml_nodes import compose

KEPT: Final = KEPT_TEXT[0].lower() + KEPT_TEXT[1:-1]
FOR_MODELS: Final = ("instructions", "business_info", "forbidden_topics")
"""What an assistant says to a language model alone."""


def notices(document: TenantDocument) -> list[Located]:
    """One for each thing that is written and that nothing acts on, in the order of the lines."""
    report = Report(document.file, compose(document.raw))
    assert report.root is not None
    _walk(report.root, type_info(TenantSpec), "$", report)
    _tell_grounded(document.spec, report)
    kinds = [provider.use.partition(".")[0] for provider in document.spec.providers]
    if len(kinds) > len(set(kinds)):
        report.tell("$.providers", "the order is kept for fail-over; nothing acts on it yet")
    return sorted(report.problems, key=lambda one: (one.line, one.column))


def _walk(node: Node, wanted: inspect.Type, path: str, report: Report) -> None:
    wanted, _ = bare(wanted)
    if isinstance(wanted, inspect.UnionType):
        wanted, _ = bare(chosen(node, choices(wanted)))
    if isinstance(wanted, inspect.VarTupleType) and isinstance(node, Sequence):
        for index, item in enumerate(node.items):
            _walk(item, wanted.item_type, f"{path}[{index}]", report)
    elif isinstance(wanted, inspect.DictType) and isinstance(node, Mapping):
        for key, (_, value) in node.items.items():
            _walk(value, wanted.value_type, member(path, key), report)
    elif isinstance(wanted, inspect.StructType) and isinstance(node, Mapping):
        known = fields(wanted.cls)
        for key, (_, value) in node.items.items():
            if acted_on(known[key].type):
                _walk(value, known[key].type, member(path, key), report)
            else:
                report.tell(member(path, key), KEPT)


def _tell_grounded(spec: TenantSpec, report: Report) -> None:
    for index, assistant in enumerate(spec.assistants):
        nodes = DEFAULT_GRAPH if assistant.pipeline is UNSET else assistant.pipeline
        if any(node.use == "llm.grounded" for node in nodes):
            for name in FOR_MODELS:
                if getattr(assistant, name):
                    told = "a language model is told this; `llm.grounded`, on which the assistant runs, is none"
                    report.tell(f"$.assistants[{index}].{name}", told)
