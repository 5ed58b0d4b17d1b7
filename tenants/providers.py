"""Stages under names: checked where they are written, and put in the place of their names in the pipelines."""

import re
from collections.abc import Mapping
from typing import Any

from msgspec import UNSET, structs

from pipelines.check import config_problems, factory_of
from pipelines.problems import SpecError
from pipelines.spec import AssistantSpec, ProcessorSpec
from processors.catalog import AnyFactory
from tenants.errors import did_you_mean
from tenants.report import Report
from tenants.spec import ProviderSpec, TenantSpec

_IN_CONFIG = re.compile(r"\$\.assistants\[(\d+)\]\.pipeline\[(\d+)\]\.config(?:\.([\w-]+))?")


def check_providers(spec: TenantSpec, report: Report, catalog: Mapping[str, AnyFactory]) -> TenantSpec:
    """The spec without names in its pipelines. Tells what is wrong with the providers, and names that there are not."""
    known: dict[str, ProviderSpec] = {}
    for index, provider in enumerate(spec.providers):
        path = f"$.providers[{index}]"
        if provider.name in known:
            report.tell(f"{path}.name", f"another provider is already called {provider.name!r}")
        known.setdefault(provider.name, provider)
        try:
            factory = factory_of(provider.use, catalog, f"{path}.use")
        except SpecError as error:
            for problem in error.problems:
                report.tell(problem.path, problem.message, problem.hint)
        else:
            for problem in config_problems(provider.config, factory.config_type):
                report.tell(f"{path}.config{problem.path}", problem.message, problem.hint)
    assistants = tuple(
        _expanded(assistant, f"$.assistants[{index}]", known, report, catalog)
        for index, assistant in enumerate(spec.assistants)
    )
    return structs.replace(spec, assistants=assistants)


def _expanded(
    assistant: AssistantSpec,
    path: str,
    known: Mapping[str, ProviderSpec],
    report: Report,
    catalog: Mapping[str, AnyFactory],
) -> AssistantSpec:
    if assistant.pipeline is UNSET:
        return assistant
    nodes: list[ProcessorSpec] = []
    for place, node in enumerate(assistant.pipeline):
        where = f"{path}.pipeline[{place}].use"
        if node.use in known:
            provider = known[node.use]
            node = structs.replace(node, use=provider.use, config=provider.config | node.config)
            if provider.use not in catalog:
                report.tell(where, f"the provider {provider.name!r} cannot be used", "see there")
        elif "." not in node.use and node.use:
            hint = did_you_mean(node.use, (*known, *catalog))
            report.tell(where, f"there is no provider {node.use!r}, and a stage has a dot in its name", hint)
        nodes.append(node)
    return structs.replace(assistant, pipeline=tuple(nodes))


def written_in_node(spec: TenantSpec, path: str) -> bool:
    """Whether a problem's place is in the document as it was written, and not in a provider, which has told it."""
    found = _IN_CONFIG.match(path)
    if found is None:
        return True
    assistant, place, setting = int(found[1]), int(found[2]), found[3]
    nodes: Any = spec.assistants[assistant].pipeline
    if nodes is UNSET or nodes[place].use not in {provider.name for provider in spec.providers}:
        return True
    return setting in nodes[place].config
