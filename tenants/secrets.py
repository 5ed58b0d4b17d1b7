"""Tenants' secrets as the service uses them: a value is fetched when a stage is prepared, and at no other time.

Nothing of a call waits for the store: whether there is a secret, and which version, is kept here, and followed.
"""

import hmac
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Final

import structlog
from msgspec import Struct

from base.ids import TenantId
from base.secret import Secret
from processors.factory import PrepareError
from tenants.keys import KeyFileError
from tenants.sealing import MasterKeys, SealBrokenError, Sealed
from tenants.secret_rows import (
    MAX_SECRET_BYTES,
    SecretInfo,
    SecretRow,
    SecretsUnavailableError,
    checked_name,
)
from tenants.secret_store import SecretStore

OVERLAP: Final = timedelta(minutes=5)
"""Changes are asked for once more: one that began earlier may have ended later, and another server's clock be slow."""

_BEGIN: Final = datetime(2000, 1, 1, tzinfo=UTC)
"""Before anything was ever kept."""

log = structlog.get_logger()


class SecretValueError(ValueError):
    """No secret can have this value, which the message does not quote."""

    def __init__(self, told: str, *, too_large: bool = False) -> None:
        super().__init__(told)
        self.too_large: Final = too_large


class _Trial(Struct, frozen=True):
    """A value that is not kept yet."""

    version: int
    value: Secret


class TenantSecrets:
    """Secrets by tenant and name. A tenant's stage can only ever name its own. `open` before anything else."""

    def __init__(
        self, store: SecretStore, keys: MasterKeys, again: Callable[[], Awaitable[MasterKeys]] | None = None
    ) -> None:
        """`again` reads the ring anew, when a value names a key that is not in it; None: it stays what it is.

        It raises KeyFileError.
        """
        self.store = store
        self._keys = keys
        self._again = again
        self._versions: dict[TenantId, dict[str, int]] = {}
        self._trials: dict[tuple[TenantId, str], _Trial] = {}
        self._followed_to: datetime | None = None

    @property
    def keys(self) -> MasterKeys:
        """The ring that seals now."""
        return self._keys

    async def open(self) -> None:
        """Learn what there is. Raises SecretsUnavailableError."""
        await self.follow()

    async def follow(self) -> frozenset[TenantId]:
        """Learn what has changed, by whomever: of which tenants. Raises SecretsUnavailableError."""
        since = None if self._followed_to is None else self._followed_to - OVERLAP
        changed = set()
        changes = await self.store.changes(since)
        self._followed_to = max((change.changed_at for change in changes), default=self._followed_to or _BEGIN)
        for change in changes:
            if self._noted(change.tenant_id, change.name, change.version, kept=change.kept):
                changed.add(change.tenant_id)
        return frozenset(changed)

    def has(self, tenant_id: TenantId, name: str) -> bool:
        """Whether the tenant has it. Never waits, and may be asked from any thread."""
        return self.version(tenant_id, name) > 0

    def version(self, tenant_id: TenantId, name: str) -> int:
        """Which is read now; 0: there is none. Never waits."""
        trial = self._trials.get((tenant_id, name))
        return trial.version if trial is not None else self._versions.get(tenant_id, {}).get(name, 0)

    def versions(self, tenant_id: TenantId) -> Mapping[str, int]:
        """All of a tenant, by name. Never waits."""
        return dict(self._versions.get(tenant_id, {}))

    async def read(self, tenant_id: TenantId, name: str) -> Secret:
        """The value. Raises PrepareError that says what to do; the value is never in a message."""
        if (trial := self._trials.get((tenant_id, name))) is not None:
            return trial.value
        try:
            row = await self.store.newest(tenant_id, name)
            if row is None or row.value is None:
                raise PrepareError(
                    f"the tenant has no secret {name!r}; set it with `atende secret set --tenant SLUG {name}`"
                )
            return await self._opened(tenant_id, row.info, row.value)
        except SecretsUnavailableError as error:
            raise PrepareError(f"the secret {name!r} cannot be read now: {error}") from error
        except SealBrokenError as error:
            told = f"the secret {name!r} cannot be decrypted: {error}; put the key back into the ring, or set it anew"
            raise PrepareError(told) from error

    async def next(
        self, tenant_id: TenantId, name: str, value: Secret, *, at: datetime, by: str
    ) -> tuple[SecretRow, bool]:
        """The next version, not kept yet, and True; the one that is there and False when it has this very value.

        Raises SecretsUnavailableError, SecretNameError, SecretValueError.
        """
        value = checked_value(value)
        newest = await self.store.newest(tenant_id, checked_name(name))
        if newest is not None and newest.value is not None and await self._is(tenant_id, newest, value):
            return newest, False
        version = 1 if newest is None else newest.info.version + 1
        info = SecretInfo(name=name, version=version, created_at=at, created_by=by)
        return SecretRow(info=info, value=self._keys.seal(tenant_id, name, version, value)), True

    async def keep(self, tenant_id: TenantId, row: SecretRow) -> None:
        """What `next` gave counts from now on. Raises as `SecretStore.add`."""
        await self.store.add(tenant_id, row)
        self._noted(tenant_id, row.info.name, row.info.version, kept=True)

    async def remove(self, tenant_id: TenantId, name: str, at: datetime) -> bool:
        """Its value is erased; False when there is none. Raises SecretsUnavailableError."""
        removed = await self.store.remove(tenant_id, name, at)
        self._versions.get(tenant_id, {}).pop(name, None)
        return removed

    @contextmanager
    def trying(self, tenant_id: TenantId, name: str, version: int, value: Secret) -> Iterator[None]:
        """In the block the tenant's stages are given this value. For who holds the tenant's lock."""
        self._trials[tenant_id, name] = _Trial(version, value)
        try:
            yield
        finally:
            del self._trials[tenant_id, name]

    async def _is(self, tenant_id: TenantId, row: SecretRow, value: Secret) -> bool:
        assert row.value is not None
        try:
            kept = await self._opened(tenant_id, row.info, row.value)
        except SealBrokenError:
            return False
        return hmac.compare_digest(kept.reveal().encode(), value.reveal().encode())

    async def _opened(self, tenant_id: TenantId, info: SecretInfo, value: Sealed) -> Secret:
        """Raises SealBrokenError."""
        if value.key_id not in self._keys.ids and self._again is not None:
            try:
                self._keys = await self._again()
            except KeyFileError as error:
                log.warning("the ring of master keys cannot be read again", why=str(error))
        return self._keys.open(tenant_id, info.name, info.version, value)

    def _noted(self, tenant_id: TenantId, name: str, version: int, *, kept: bool) -> bool:
        """Whether that is news."""
        versions = self._versions.setdefault(tenant_id, {})
        known = versions.get(name, 0)
        if kept and version > known:
            versions[name] = version
        elif not kept and version == known:
            del versions[name]
        else:
            return False
        return True


def checked_value(value: Secret) -> Secret:
    """Without the white space round it, which no key has and every file and terminal adds. Raises SecretValueError."""
    text = value.reveal().strip()
    try:
        size = len(text.encode())
    except UnicodeEncodeError:
        raise SecretValueError("the value is no text") from None
    if not size:
        raise SecretValueError("the value is empty")
    if size > MAX_SECRET_BYTES:
        raise SecretValueError(f"the value has {size} bytes; {MAX_SECRET_BYTES} are the most", too_large=True)
    return Secret(text)
