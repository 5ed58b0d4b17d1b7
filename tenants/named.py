"""What a document names instead of writing it: secrets of the tenant's own, endpoints of the server's settings."""

import ipaddress
import uuid
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

import msgspec
from msgspec import UNSET, Struct, structs

from base.http import is_public
from base.ids import TenantId
from base.secret import SecretRef
from tenants.errors import did_you_mean
from tenants.report import Report, member
from tenants.spec import TenantSpec
from tenants.spec_outward import EndpointRef

_URL_FIELDS = ("url", "base_url", "_url")


class ServerFacts(Struct, frozen=True, kw_only=True):
    """What of the server's settings a document may name or depends on."""

    endpoints: Mapping[str, str] = {}
    """URLs by the names that the platform's operator gave them."""
    has_secret: Callable[[TenantId, str], bool] | None = None
    """Whether a tenant has a secret of that name; None where nobody can know."""
    streaming: bool = True
    """Whether all wires play sound as it comes; `audio_stream` plays files."""


def tell_secrets(spec: TenantSpec, report: Report, server: ServerFacts) -> None:
    """Tell of secrets that the tenant does not have."""
    if server.has_secret is None or not _is_uuid(spec.id):
        return
    for path, name in secrets_of(spec):
        if not server.has_secret(spec.tenant_id, name):
            set_it = f"set it with `atende secret set --tenant {spec.slug} {name}`"
            report.tell(path, f"the tenant has no secret {name!r} that can be read", set_it)


def secrets_of(spec: TenantSpec) -> Iterator[tuple[str, str]]:
    """Where a secret is named, and its name."""
    for path, value in _leaves(spec):
        if isinstance(value, SecretRef):
            yield path, value.secret
        elif isinstance(value, dict) and isinstance(name := value.get("secret"), str):
            yield path, name


def resolve_endpoints(spec: TenantSpec, report: Report, server: ServerFacts) -> TenantSpec:
    """The spec with URLs in the place of names. Tells of names that there are not, and of private addresses."""
    for path, value in _leaves(spec):
        if isinstance(value, EndpointRef):
            _url_of(value.endpoint, path, report, server)
        elif isinstance(value, str) and path.endswith(_URL_FIELDS):
            _check_public(value, path, report, server)

    def resolved(config: dict[str, Any], path: str) -> dict[str, Any]:
        return {name: _resolved(value, member(path, name), report, server) for name, value in config.items()}

    providers = tuple(
        structs.replace(one, config=resolved(one.config, f"$.providers[{index}].config"))
        for index, one in enumerate(spec.providers)
    )
    assistants = []
    for index, assistant in enumerate(spec.assistants):
        if assistant.pipeline is not UNSET:
            nodes = tuple(
                structs.replace(node, config=resolved(node.config, f"$.assistants[{index}].pipeline[{place}].config"))
                for place, node in enumerate(assistant.pipeline)
            )
            assistant = structs.replace(assistant, pipeline=nodes)
        assistants.append(assistant)
    return structs.replace(spec, providers=providers, assistants=tuple(assistants))


def _resolved(value: Any, path: str, report: Report, server: ServerFacts) -> Any:
    if isinstance(value, dict) and set(value) == {"endpoint"} and isinstance(value["endpoint"], str):
        return _url_of(value["endpoint"], path, report, server)
    return value


def _url_of(name: str, path: str, report: Report, server: ServerFacts) -> str:
    if name not in server.endpoints:
        hint = did_you_mean(name, tuple(server.endpoints))
        report.tell(path, f"the server's settings have no endpoint {name!r}", hint)
    return server.endpoints.get(name, "https://unknown.invalid")


def _check_public(url: str, path: str, report: Report, server: ServerFacts) -> None:
    """A private endpoint is named, so that a tenant can reach only what the platform's operator has chosen."""
    try:
        parts = urlsplit(url)
        host, port = (parts.hostname or "").rstrip("."), parts.port
    except ValueError as error:
        report.tell(path, f"not a URL: {error}")
        return
    for name, known in server.endpoints.items():
        other = urlsplit(known)
        if (host, port or _port(parts.scheme)) == (other.hostname, other.port or _port(other.scheme)):
            report.tell(path, "this endpoint has a name in the server's settings", f"write {{endpoint: {name}}}")
            return
    if _is_private(host):
        known_names = ", ".join(server.endpoints) or "none yet"
        hint = f"write {{endpoint: name}} with a name of the server's ATENDE_ENDPOINTS: {known_names}"
        report.tell(path, f"{host} is no public address", hint)


def _port(scheme: str) -> int:
    return 443 if scheme == "https" else 80


def _is_private(host: str) -> bool:
    if host == "localhost" or host.endswith((".localhost", ".internal", ".local")):
        return True
    try:
        ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    return not is_public(host)


def _is_uuid(text: str) -> bool:
    try:
        uuid.UUID(text)
    except ValueError:
        return False
    return True


def _leaves(spec: TenantSpec) -> Iterator[tuple[str, Any]]:
    """Every value, and every mapping, of the parts in which something can be named."""
    for index, provider in enumerate(spec.providers):
        yield from _walk(provider.config, f"$.providers[{index}].config")
    for index, assistant in enumerate(spec.assistants):
        for place, node in enumerate(() if assistant.pipeline is UNSET else assistant.pipeline):
            yield from _walk(node.config, f"$.assistants[{index}].pipeline[{place}].config")
    yield from _walk(spec.tools, "$.tools")
    yield from _walk(spec.webhooks, "$.webhooks")


def _walk(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    yield path, value
    if isinstance(value, msgspec.Struct):
        if not isinstance(value, SecretRef | EndpointRef):
            for field in value.__struct_fields__:
                yield from _walk(getattr(value, field), f"{path}.{field}")
    elif isinstance(value, dict):
        for key, one in value.items():
            yield from _walk(one, member(path, key))
    elif isinstance(value, tuple | list):
        for index, one in enumerate(value):
            yield from _walk(one, f"{path}[{index}]")
