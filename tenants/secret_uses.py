"""Where a tenant's document names secrets."""

import re
from typing import Final

from msgspec import UNSET, Struct

from tenants.convert import salvage
from tenants.named import secrets_of
from tenants.nodes import YamlError
from tenants.report import Report
from tenants.spec import TenantSpec
from tenants.yaml_nodes import compose

_NODE: Final = re.compile(r"\$\.assistants\[(\d+)\]\.pipeline\[(\d+)\]")


class SecretUse(Struct, frozen=True, kw_only=True):
    """One place in a document that names a secret."""

    name: str
    path: str
    """`$.path` of it."""
    assistant: str | None = None
    """Whose stage it is; null where it is no stage of one assistant."""
    stage: str | None = None
    """The stage's id."""


def uses_in(raw: bytes) -> tuple[SecretUse, ...]:
    """All that a document names, in its order, also one with mistakes; none of a text that is no YAML. Blocks."""
    try:
        spec = salvage(compose(raw), TenantSpec, Report(""))
    except YamlError:
        return ()
    return () if spec is None else tuple(_use(spec, path, name) for path, name in secrets_of(spec))


def _use(spec: TenantSpec, path: str, name: str) -> SecretUse:
    if (match := _NODE.match(path)) is None:
        return SecretUse(name=name, path=path)
    assistant = spec.assistants[int(match[1])]
    assert assistant.pipeline is not UNSET, "the path leads through it"
    return SecretUse(name=name, path=path, assistant=assistant.name, stage=assistant.pipeline[int(match[2])].id)
