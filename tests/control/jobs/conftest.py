"""A database of its own for each test: the queue is everybody's."""

import uuid
from collections.abc import AsyncIterator, Iterator

import pytest

from base.secret import Secret
from tenants.database import PoolBounds, connect_app
from tenants.migrate import connect, migrate
from tests.control.jobs.hall import Hall
from tests.tenants.conftest import embedded_server


@pytest.fixture(scope="package")
def postgres() -> Iterator[Secret]:
    """The URL of the owner of a server."""
    with embedded_server() as url:
        yield url


@pytest.fixture(scope="package")
def template() -> list[str]:
    """The name of a migrated database, once there is one."""
    return []


@pytest.fixture
async def hall(postgres: Secret, template: list[str]) -> AsyncIterator[Hall]:
    owner = await connect(postgres)
    if not template:
        template.append(f"jobs_{uuid.uuid4().hex}")
        await owner.execute(f"CREATE DATABASE {template[0]}")
        await migrate(_of(postgres, template[0]))
    name = f"jobs_{uuid.uuid4().hex}"
    await owner.execute(f"CREATE DATABASE {name} TEMPLATE {template[0]}")
    url = _of(postgres, name)
    database = await connect_app(url, None, PoolBounds(max_connections=6))
    try:
        yield Hall(database, url)
    finally:
        await database.close()
        await owner.execute(f"DROP DATABASE {name} WITH (FORCE)")
        await owner.close()


def _of(server: Secret, name: str) -> Secret:
    return Secret(server.reveal().replace("/postgres?", f"/{name}?"))
