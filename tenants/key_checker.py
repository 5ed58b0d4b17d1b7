"""Whether an API key opens: asked in every request, and of the database once in a few seconds."""

import asyncio
import hmac
from datetime import timedelta
from typing import Final, Literal

import structlog
from msgspec import Struct

from base.clock import Clock
from base.ids import ApiKeyId, TenantId
from base.secret import Secret
from tenants.api_key_store import ApiKeyStore, KeysUnavailableError
from tenants.api_keys import FRESH_S, ApiKey, KeyRow, digest_of, parse_key

GOOD_WITHOUT_DATABASE_S: Final = 300.0
"""So long after its row was read a key opens while the database does not answer."""
NOTED_EVERY_S: Final = 60.0
_NOBODYS: Final = Secret("0" * 64)

Refusal = Literal["malformed", "unknown", "wrong secret", "expired", "revoked"]

log = structlog.get_logger()


class KeyRefusedError(Exception):
    """The key does not open. `reason` and `key_id` are for our log: whoever sent it is told nothing but this."""

    def __init__(self, reason: Refusal, key_id: ApiKeyId | None = None) -> None:
        super().__init__("the API key is refused")
        self.reason: Final = reason
        self.key_id: Final = key_id


class _Known(Struct):
    """A row as it was read. All on the monotonic clock."""

    row: KeyRow
    read_s: float
    ask_s: float
    """When the database is to be asked again."""
    noted_s: float | None
    """When a use was last written, or was tried to."""


class KeyChecker:
    """Says whose a key is. One for a process; `revoke` by it counts at once, by others after `FRESH_S`."""

    def __init__(
        self,
        store: ApiKeyStore,
        pepper: Secret,
        clock: Clock,
        *,
        max_cached: int = 10_000,
        answer_timeout_s: float = 2.0,
    ) -> None:
        """`max_cached`: of keys that there are; what is made up is not kept. `answer_timeout_s`: of the store."""
        self._store = store
        self._pepper = pepper
        self._clock = clock
        self._max_cached = max_cached
        self._answer_timeout_s = answer_timeout_s
        self._cache: dict[ApiKeyId, _Known] = {}
        """Those that were read longest ago are first."""
        self._revocations = 0

    async def check(self, text: str) -> ApiKey:
        """The key with this text. Raises KeyRefusedError, or KeysUnavailableError when nobody can tell now."""
        presented = parse_key(text)
        if presented is None:
            raise KeyRefusedError("malformed")
        known = await self._find(presented.id)
        # Also for an id that there is not: as much work, and no shorter answer.
        held = _NOBODYS if known is None else known.row.digest
        same = hmac.compare_digest(digest_of(self._pepper, presented.secret).reveal(), held.reveal())
        if known is None:
            raise KeyRefusedError("unknown", presented.id)
        if not same:
            raise KeyRefusedError("wrong secret", presented.id)
        if (lapse := known.row.key.lapse(self._clock.now())) is not None:
            raise KeyRefusedError(lapse, presented.id)
        await self._note_use(known)
        return known.row.key

    def opened_lately(self, text: str) -> bool:
        """Whether the key with this text was good when it was looked up in the last minutes; asks nobody."""
        presented = parse_key(text)
        kept = None if presented is None else self._cache.get(presented.id)
        if presented is None or kept is None or self._clock.monotonic() - kept.read_s >= GOOD_WITHOUT_DATABASE_S:
            return False
        same = hmac.compare_digest(digest_of(self._pepper, presented.secret).reveal(), kept.row.digest.reveal())
        return same and kept.row.key.lapse(self._clock.now()) is None

    async def still_good(self, key_id: ApiKeyId) -> bool:
        """Whether the key that opened before would open now; the store is asked each time. False: nobody can tell.

        While the store does not answer it is asked as often as by `check`.
        """
        now = self._clock.monotonic()
        if (known := self._cache.get(key_id)) is not None and now - known.read_s < FRESH_S:
            known.ask_s = now
        try:
            known = await self._find(key_id)
        except KeysUnavailableError:
            return False
        return known is not None and known.row.key.lapse(self._clock.now()) is None

    async def revoke(self, tenant_id: TenantId | None, key_id: ApiKeyId) -> bool:
        """The key opens nothing from now on; False when this tenant has none of that id.

        Raises KeysUnavailableError; it may have been revoked then.
        """
        try:
            return await self._store.revoke(tenant_id, key_id, self._clock.now())
        finally:
            self._revocations += 1
            known = self._cache.get(key_id)
            if known is not None and known.row.key.tenant_id == tenant_id:
                del self._cache[key_id]

    async def _find(self, key_id: ApiKeyId) -> _Known | None:
        now, revocations = self._clock.monotonic(), self._revocations
        known = self._cache.get(key_id)
        if known is not None and now < known.ask_s:
            return known
        try:
            async with asyncio.timeout(self._answer_timeout_s):
                row = await self._store.find(key_id)
        except (KeysUnavailableError, TimeoutError) as error:
            return self._as_it_was(key_id, error)
        former = self._cache.pop(key_id, None)
        if row is None:
            return None
        known = _Known(row, now, now + FRESH_S, former.noted_s if former is not None else None)
        if revocations == self._revocations:  # otherwise the row may be from before it was revoked
            self._keep(known)
        return known

    def _as_it_was(self, key_id: ApiKeyId, error: Exception) -> _Known:
        """What was last read. Raises KeysUnavailableError when that is nothing, or too old."""
        now, known = self._clock.monotonic(), self._cache.get(key_id)
        if known is None or now - known.read_s >= GOOD_WITHOUT_DATABASE_S:
            raise KeysUnavailableError("API keys cannot be checked now") from error
        log.warning("API key checked without the database", key=key_id, reason=type(error.__cause__ or error).__name__)
        known.ask_s = min(now + FRESH_S, known.read_s + GOOD_WITHOUT_DATABASE_S)
        return known

    def _keep(self, known: _Known) -> None:
        self._cache[known.row.key.id] = known
        if len(self._cache) > self._max_cached:
            del self._cache[next(iter(self._cache))]

    async def _note_use(self, known: _Known) -> None:
        """Write down that it was used, once a minute, here or elsewhere; not while the database does not answer."""
        key, now, at = known.row.key, self._clock.monotonic(), self._clock.now()
        if now - known.read_s >= FRESH_S or (known.noted_s is not None and now - known.noted_s < NOTED_EVERY_S):
            return
        if key.last_used_at is not None and at - key.last_used_at < timedelta(seconds=NOTED_EVERY_S):
            return
        known.noted_s = now
        try:
            async with asyncio.timeout(self._answer_timeout_s):
                await self._store.used(key.tenant_id, key.id, at)
        except Exception as error:  # whatever it is, the key is good
            log.warning("use of an API key not written", key=key.id, reason=type(error.__cause__ or error).__name__)
