"""What of the settings a tenant's document may name or depends on."""

from collections.abc import Callable

from base.ids import TenantId
from control.settings import Settings
from tenants.named import ServerFacts


def server_facts(found: Settings, has_secret: Callable[[TenantId, str], bool] | None = None) -> ServerFacts:
    """`has_secret` tells which secrets there are; None: nobody knows, and a document may name any."""
    return ServerFacts(
        endpoints=found.endpoints,
        has_secret=has_secret,
        streaming="audio_stream" not in found.wires,
    )
