"""All secrets are sealed with the first master key, so that an older one can be taken out of the ring.

Value by value, each in a transaction of its own: whoever is stopped in the middle begins again and finds the rest.
"""

from collections.abc import Callable, Mapping
from typing import Final

from msgspec import Struct

from tenants.sealing import MasterKeys, SealBrokenError
from tenants.secret_rows import Place
from tenants.secret_store import SecretStore

BATCH: Final = 100


class Resealed(Struct, frozen=True, kw_only=True):
    """How it ended."""

    sealed: int
    """Values that are under the first key now, and were not before."""
    unreadable: tuple[tuple[Place, str], ...]
    """What does not open, and why: it stays as it is."""
    left: Mapping[str, int]
    """Of each key but the first, in the ring or not, how many values still need it; 0: none does."""


async def reseal(store: SecretStore, keys: MasterKeys, told: Callable[[int, int], None]) -> Resealed:
    """`told(done, total)` after each batch. Raises SecretsUnavailableError; what was done stays done."""
    total = sum(count for key_id, count in (await store.by_key()).items() if key_id != keys.first)
    sealed, unreadable, seen, after = 0, list[tuple[Place, str]](), 0, None
    while batch := await store.sealed_otherwise(keys.first, after, BATCH):
        for place, value in ((one.place, one.value) for one in batch):
            try:
                text = keys.open(place.tenant_id, place.name, place.version, value)
            except SealBrokenError as error:
                unreadable.append((place, str(error)))
                continue
            anew = keys.seal(place.tenant_id, place.name, place.version, text)
            sealed += await store.seal_anew(place, value, anew)  # not one that was put anew meanwhile
        seen, after = seen + len(batch), batch[-1].place
        told(seen, max(total, seen))
    kept = await store.by_key()
    others = dict.fromkeys([*keys.ids[1:], *sorted(kept)])
    left = {key_id: kept.get(key_id, 0) for key_id in others if key_id != keys.first}
    return Resealed(sealed=sealed, unreadable=tuple(unreadable), left=left)
