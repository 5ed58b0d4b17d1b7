"""What a service that is measured has of its own, whatever its operator's has."""

from pathlib import Path

from base.secret import Secret
from control import settings
from control.capacity.child import own_settings

OPERATORS = {
    "ATENDE_DATABASE_URL": "postgresql://owner:pw@db.example.net/atende",
    "ATENDE_WORKERS": "4",
    "ATENDE_TENANTS": "database",
    "ATENDE_NODE": "hall-1",
    "ATENDE_INTERNAL_HOST": "10.0.0.5",
    "ATENDE_INTERNAL_PORT": "8100",
    "ATENDE_AGAIN_PORT": "8200",
    "ATENDE_API_KEY_SECRET": "x" * 40,
    "ATENDE_VECTORS": "chroma-server",
    "ATENDE_CHROMA_URL": "https://chroma.example.net",
    "ATENDE_CHROMA_TOKEN": "t" * 20,
    "ATENDE_MAX_LOOP_LOAD": "70",
}


def test_it_is_one_process_with_keys_and_tenants_of_its_own(tmp_path: Path) -> None:
    """Its operator's may have many, of which some settings are in `.env`, which it reads, too."""
    environ = dict(list(OPERATORS.items())[::2])
    dotenv = tmp_path / ".env"
    dotenv.write_text("".join(f"{name}={value}\n" for name, value in OPERATORS.items() if name not in environ))
    operators, _ = settings.load(environ, dotenv)
    assert (operators.workers, operators.tenants, operators.node) == (4, "database", "hall-1")
    url = Secret("postgresql://postgres@127.0.0.1:5555/postgres")
    own = own_settings(url, tmp_path / "data", tmp_path / "tenants", 8184, 8180, 8185)
    found, warnings = settings.load({**environ, **own}, dotenv)
    assert warnings == []
    assert (found.workers, found.tenants, found.shared, found.vectors) == (0, "folder", False, "chroma")
    assert (found.node, found.internal_host, found.internal_port, found.again_port) == (None, "127.0.0.1", 0, 0)
    assert found.api_key_secret is None, "its keys are digested with what is in its data folder"
    assert (found.database_url, found.chroma_url, found.chroma_token) == (url, None, None)
    assert found.max_loop_load == 70, "what bounds its calls is the operator's"
