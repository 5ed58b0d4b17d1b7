"""Changes as they are written down, and the database in which their chains are kept."""

import uuid
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from base.ids import TenantId
from base.secret import Secret
from tenants.audit import Actor, AuditEntry, Change, State
from tenants.database import Database
from tenants.migrate import connect

NOON = datetime(2026, 3, 1, 12, 0, 0, 123456, tzinfo=UTC)
OURS, THEIRS = (TenantId(str(uuid.uuid4())) for _ in range(2))
AS_IT_WAS = {b"A": "ENABLE ALWAYS", b"O": "ENABLE"}
"""Of a trigger, so that the tests' own breaches mend nothing."""
SOMEONE = Actor(kind="key", id="a2b3c4d5e6f7", role="tenant-admin", address="192.0.2.7", request_id=str(uuid.uuid4()))


def change_of(revision: int = 1, **changed: Any) -> Change:
    """A document that was put as that revision."""
    facts: dict[str, Any] = {
        "at": NOON + timedelta(minutes=revision),
        "actor": SOMEONE,
        "action": "document.put",
        "outcome": "done",
        "after": State(revision=revision, digest="a" * 64),
    }
    return Change(**facts | changed)


def revisions(entries: Any) -> list[int | None]:
    """What entries of `change_of` are told apart by."""
    told: list[AuditEntry] = list(entries)
    return [entry.change.after.revision for entry in told]


async def against_the_rules(postgres: Secret, statement: str) -> str:
    """The statement by an owner who has put the trigger aside, as nobody does by mistake."""
    owner = await connect(postgres)
    try:
        async with owner.transaction():
            was = await owner.fetchval("SELECT tgenabled FROM pg_trigger WHERE tgname = 'only_added_to'")
            await owner.execute("ALTER TABLE atende.audit DISABLE TRIGGER only_added_to")
            done = str(await owner.execute(statement))
            await owner.execute(f"ALTER TABLE atende.audit {AS_IT_WAS[was]} TRIGGER only_added_to")
        return done
    finally:
        await owner.close()


@pytest.fixture
async def audit_table(database: Database, postgres: Secret) -> AsyncIterator[Database]:
    """No entries are left in the end."""
    yield database
    await against_the_rules(postgres, "DELETE FROM atende.audit")
