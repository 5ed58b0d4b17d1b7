"""How a tenant's secret is sealed before it is kept: AES-256-GCM (NIST SP 800-38D) under one of a ring of master keys.

    kept = nonce (96 random bits) ‖ ciphertext ‖ tag (128 bits)

The associated data is tenant, name and version: what was sealed for one opens for no other, wherever somebody moves it.
The first key of the ring seals, all of them open; with random nonces one key is good for 2³² sealings, which no
installation reaches. Pure: no I/O, no clock. `tenants/master_keys.py` says where a ring comes from.
"""

import base64
import binascii
import re
import secrets
from collections.abc import Iterable, Mapping
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from msgspec import Struct

from base.ids import TenantId
from base.secret import Secret

KEY_BYTES: Final = 32
NONCE_BYTES: Final = 12
TAG_BYTES: Final = 16
MAX_KEYS: Final = 100
_KEY_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,32}")


class MasterKeyError(ValueError):
    """A ring of master keys is not written as `id:base64,…`; the message holds nothing of a key."""


class SealBrokenError(Exception):
    """What is kept does not open: its key is not in the ring, or it was altered or moved."""


class Sealed(Struct, frozen=True):
    """A value as it is kept. `key_id` tells which key of the ring it was sealed with."""

    key_id: str
    sealed: bytes


class MasterKeys:
    """A ring. It shows none of its keys."""

    def __init__(self, keys: Mapping[str, Secret]) -> None:
        """By id, each in base64, the one that seals first. Raises MasterKeyError."""
        if not keys:
            raise MasterKeyError("there is no master key")
        self._keys: Final = {key_id: AESGCM(_decoded(key_id, material)) for key_id, material in keys.items()}
        self.ids: Final = tuple(keys)

    @property
    def first(self) -> str:
        """The id of the key that seals."""
        return self.ids[0]

    def seal(self, tenant_id: TenantId, name: str, version: int, value: Secret) -> Sealed:
        """The value for this place alone."""
        nonce = secrets.token_bytes(NONCE_BYTES)
        text = value.reveal().encode()
        return Sealed(self.first, nonce + self._keys[self.first].encrypt(nonce, text, _place(tenant_id, name, version)))

    def open(self, tenant_id: TenantId, name: str, version: int, kept: Sealed) -> Secret:
        """The value that was sealed for this place. Raises SealBrokenError."""
        if (key := self._keys.get(kept.key_id)) is None:
            raise SealBrokenError(f"it was encrypted with the master key {kept.key_id!r}, which is not in the ring")
        nonce, text = kept.sealed[:NONCE_BYTES], kept.sealed[NONCE_BYTES:]
        try:
            return Secret(key.decrypt(nonce, text, _place(tenant_id, name, version)).decode())
        except (InvalidTag, ValueError):
            told = f"it does not open with the master key {kept.key_id!r}: it was altered, or another key has this id"
            raise SealBrokenError(told) from None


def parse_ring(text: str) -> MasterKeys:
    """A ring from `id:base64,…`; a line break does as well as a comma. Raises MasterKeyError."""
    written = [part for part in re.split(r"[,\s]+", text) if part]
    if len(written) > MAX_KEYS:
        raise MasterKeyError(f"{len(written)} master keys are too many; {MAX_KEYS} are the most")
    keys: dict[str, Secret] = {}
    for place, part in enumerate(written, start=1):
        key_id, colon, material = part.partition(":")
        if not colon or not _KEY_ID.fullmatch(key_id):
            raise MasterKeyError(f"master key {place} is not id:base64 (id: letters, digits, - and _)")
        if key_id in keys:
            raise MasterKeyError(f"master key {key_id!r} is there twice")
        keys[key_id] = Secret(material)
    return MasterKeys(keys)


def new_ring(former: Iterable[str] = ()) -> Secret:
    """A ring as it is written: a fresh key, and behind it those that are `written` already."""
    material = base64.b64encode(secrets.token_bytes(KEY_BYTES)).decode()
    return Secret(",".join((f"m{secrets.token_hex(4)}:{material}", *former)))


def _decoded(key_id: str, material: Secret) -> bytes:
    try:
        key = base64.b64decode(material.reveal(), validate=True)
    except binascii.Error:
        raise MasterKeyError(f"master key {key_id!r} is not base64") from None
    if len(key) != KEY_BYTES:
        raise MasterKeyError(
            f"master key {key_id!r} has {len(key)} bytes, not {KEY_BYTES}; `openssl rand -base64 32` makes one"
        )
    return key


def _place(tenant_id: TenantId, name: str, version: int) -> bytes:
    """Neither a UUID nor a name has a | in it."""
    return f"atende secret|{tenant_id}|{name}|{version}".encode()
