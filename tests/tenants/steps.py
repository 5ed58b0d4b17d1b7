"""Databases of every age: the steps of the schema, and rows as programs of their time wrote them."""

import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

from base.ids import TenantId
from base.secret import Secret
from tenants.migrate import MIGRATIONS, Migration, connect, migrate, read_migrations

STEPS: Final = read_migrations()
ROWS: Final = Path(__file__).parents[1] / "data" / "upgrades"
"""`<name of the step>.sql`; each step that makes a table has one (tests/tenants/test_upgrades.py)."""
TENANT: Final = TenantId("6f1d2c0a-4b7e-4f7b-9a53-1c9e5d7a2b10")
"""Whose the rows are; those that belong to no tenant are the platform's."""


def program_of(folder: Path, number: int) -> Path:
    """The steps that a program knew when there were so many."""
    folder = folder / f"program-{number}"
    folder.mkdir()
    for step in STEPS[:number]:
        shutil.copy(MIGRATIONS / f"{step.number:04}_{step.name}.sql", folder)
    return folder


async def grown(url: Secret, folder: Path) -> AsyncIterator[Migration]:
    """The database of `url` goes up step by step, with rows of each one's time; each step is told after it."""
    for step in STEPS:
        assert await migrate(url, folder=program_of(folder, step.number)) == [step.number]
        if (rows := ROWS / f"{step.name}.sql").exists():
            connection = await connect(url)
            await connection.execute(rows.read_text(encoding="utf-8"))
            await connection.close()
        yield step
