"""What of the settings a tenant's document may name or depends on."""

from control.settings import Settings
from tenants.named import ServerFacts
from tenants.secrets import FileSecrets


def server_facts(found: Settings) -> ServerFacts:
    """With the secrets of the data directory, where there is one."""
    return ServerFacts(
        endpoints=found.endpoints,
        has_secret=FileSecrets(found.data_dir).has if found.data_dir.is_dir() else None,
        streaming="audio_stream" not in found.wires,
    )
