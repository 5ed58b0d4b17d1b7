"""A ring of master keys, secrets of two tenants, and the database in which they are kept."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from base.ids import TenantId
from base.secret import Secret
from tenants.database import Database
from tenants.migrate import connect
from tenants.sealing import MasterKeys, new_ring, parse_ring
from tenants.secret_rows import SecretInfo, SecretRow

NOON = datetime(2026, 3, 1, 12, 0, 0, 123456, tzinfo=UTC)
OURS, THEIRS = TenantId("5ec0e100-0000-4000-8000-00000000000a"), TenantId("5ec0e100-0000-4000-8000-00000000000b")
FIRST, SECOND = new_ring().reveal(), new_ring().reveal()
RING = parse_ring(FIRST)


def key_id(ring: str) -> str:
    return ring.partition(":")[0]


def row_of(tenant_id: TenantId, name: str, version: int = 1, value: str = "sk-1", keys: MasterKeys = RING) -> SecretRow:
    info = SecretInfo(name=name, version=version, created_at=NOON, created_by="key aaaaaaaaaaaa")
    return SecretRow(info=info, value=keys.seal(tenant_id, name, version, Secret(value)))


def former_file(data_dir: Path, tenant_id: TenantId, name: str, value: str, mode: int = 0o600) -> Path:
    """A secret as former versions of the program kept it."""
    file = data_dir / "secrets" / tenant_id / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(value + "\n")
    file.chmod(mode)
    return file


def files_in(folder: Path) -> list[str]:
    """Names of all files and folders below, in their order."""
    return sorted(str(one.relative_to(folder)) for one in folder.rglob("*"))


@pytest.fixture
async def table(database: Database, postgres: Secret) -> AsyncIterator[Database]:
    """No secrets are left in the end."""
    yield database
    owner = await connect(postgres)
    await owner.execute("DELETE FROM atende.secrets")
    await owner.close()
