"""What is done behind a secret's change: followed, tried again when it fails, and ended with the service."""

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import structlog

from base.ids import TenantId
from base.secret import Secret
from processors.factory import PrepareError
from tenants.secret_renewal import SecretRenewal
from tenants.secret_rows import Change, SecretsUnavailableError
from tenants.secret_store import MemorySecrets
from tenants.secrets import TenantSecrets
from tenants.statuses import TenantStatus
from tests.pipelines.virtual import virtual
from tests.tenants.kept_secrets import NOON, OURS, RING, THEIRS


class Store(MemorySecrets):
    """May be away."""

    away = False

    async def changes(self, since: datetime | None) -> Sequence[Change]:
        if self.away:
            raise SecretsUnavailableError("the database does not tell of secrets")
        return await super().changes(since)


class House:
    """Pipelines that were made with some versions, and a folder; `breaks` is why nothing can be loaded."""

    def __init__(self) -> None:
        self.store = Store()
        self.secrets = TenantSecrets(self.store, RING)
        self.elsewhere = TenantSecrets(self.store, RING)
        self.made: dict[TenantId, int] = {}
        self.breaks = ""
        self.load_s = 0.2
        self.loads = 0
        self.read: list[Path] = []
        self.folder = SimpleNamespace(locks=defaultdict(asyncio.Lock), unsettled=tuple, refresh=self.refresh)
        pipelines: Any = SimpleNamespace(secrets=self.used, load_again=self.load_again, exchange=self.exchange)
        self.renewal: SecretRenewal[int] = SecretRenewal(self.secrets, self.folder, pipelines)  # type: ignore[arg-type]

    def used(self, tenant_id: TenantId) -> frozenset[tuple[str, int]]:
        return frozenset({("openai", self.made[tenant_id])} if tenant_id in self.made else ())

    async def load_again(self, tenant_id: TenantId) -> Sequence[int]:
        self.loads += 1
        version = self.secrets.version(tenant_id, "openai")
        await asyncio.sleep(self.load_s)
        if self.breaks:
            raise PrepareError(self.breaks)
        return [version]

    def exchange(self, tenant_id: TenantId, again: Sequence[int], *, swap: str) -> None:
        [self.made[tenant_id]] = again

    async def refresh(self, files: Sequence[Path]) -> None:
        self.read += files

    async def set(self, value: str, tenant_id: TenantId = OURS) -> None:
        """By another process."""
        row, _ = await self.elsewhere.next(tenant_id, "openai", Secret(value), at=NOON, by="service")
        await self.elsewhere.keep(tenant_id, row)

    async def begun(self) -> None:
        await self.set("first")
        await self.secrets.open()
        self.made[OURS] = 1
        self.renewal.follow()


@virtual
async def test_what_another_process_sets_is_taken_within_seconds_and_what_is_not_used_changes_nothing() -> None:
    house = House()
    await house.begun()
    await house.set("other", THEIRS)
    await asyncio.sleep(5)
    assert (house.made, house.loads) == ({OURS: 1}, 0)
    await house.set("second")
    await asyncio.sleep(2)
    assert (house.made, house.loads, dict(house.renewal.problems)) == ({OURS: 2}, 1, {})
    await house.renewal.close()


@virtual
async def test_what_cannot_be_made_ready_is_told_and_tried_again_and_at_once_with_the_next_value() -> None:
    house = House()
    await house.begun()
    house.breaks = "no way"
    await house.set("second")
    await asyncio.sleep(5)
    assert "no way" in house.renewal.problems[OURS]
    assert (house.made, house.loads) == ({OURS: 1}, 1)
    await asyncio.sleep(60)
    assert 2 <= house.loads <= 5, "later and later"
    house.breaks, tried = "", house.loads
    await house.set("third")
    await asyncio.sleep(2)
    assert (house.made, house.loads, dict(house.renewal.problems)) == ({OURS: 3}, tried + 1, {})
    await house.renewal.close()


@virtual
async def test_a_change_that_comes_while_another_is_taken_is_not_lost() -> None:
    house = House()
    await house.begun()
    house.load_s = 3.0
    await house.set("second")
    await asyncio.sleep(1.5)
    await house.set("third")
    await asyncio.sleep(1.0)
    assert (house.loads, house.made, house.secrets.version(OURS, "openai")) == (1, {OURS: 1}, 3)
    await asyncio.sleep(10)
    assert (house.loads, house.made) == (2, {OURS: 3})
    await house.renewal.close()


@virtual
async def test_a_database_that_is_away_is_told_once_and_followed_when_it_is_back() -> None:
    house = House()
    await house.begun()
    house.store.away = True
    with structlog.testing.capture_logs() as told:
        await asyncio.sleep(60)
        await house.set("second")
        assert [one["event"] for one in told] == ["secrets are not followed: what others set is not seen"]
        house.store.away = False
        await asyncio.sleep(3)
    assert house.made == {OURS: 2}
    await house.renewal.close()


@virtual
async def test_the_files_that_were_refused_are_read_again_and_no_others() -> None:
    house = House()
    await house.begun()
    house.folder.unsettled = lambda: tuple(
        TenantStatus(file=f"{name}.yaml", slug=name, tenant_id=owner, problems=problems)
        for name, owner, problems in (("a", OURS, ("no secret",)), ("b", OURS, ()), ("c", THEIRS, ("no secret",)))
    )
    await house.set("second")
    await asyncio.sleep(3)
    assert house.read == [Path("a.yaml")]
    await house.renewal.close()


@virtual
async def test_closing_ends_what_waits_to_be_tried_again() -> None:
    house = House()
    await house.begun()
    house.breaks = "no way"
    await house.set("second")
    await asyncio.sleep(3)
    await house.renewal.close()
    await house.renewal.close()
    loads = house.loads
    await asyncio.sleep(1000)
    assert house.loads == loads
