"""Who may say which company a call is for: a MAC over tenant and number, put into the dialplan by its operator.

A call tells tenant and number in channel variables. FreeSWITCH copies some variables from SIP headers,
so they prove nothing unless they are signed. The signature is `key-id.hex`, HMAC-SHA256 (RFC 2104) over
a domain word and both fields, each with its length in front, so that no two pairs have the same bytes.
It has no time in it: the dialplan is static. Taking the key out of the ring takes its signatures back.

Pure: no I/O, no clock. `tenants/keys.py` reads and writes the ring.
"""

import base64
import binascii
import hashlib
import hmac
import re
import secrets
from typing import Final

from msgspec import Struct

from base.ids import TenantId
from base.secret import Secret

TENANT_VARIABLE: Final = "atende_tenant"
NUMBER_VARIABLE: Final = "atende_number"
SIGNATURE_VARIABLE: Final = "atende_sig"
"""Channel variables by which the dialplan tells us tenant id, number and signature."""

MIN_SECRET_BYTES: Final = 32
_KEY_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,32}")
_MAC: Final = re.compile(r"[0-9a-f]{64}")
_PURPOSE: Final = b"atende call door v1"


class KeyFormatError(ValueError):
    """A ring of keys is not written as `keyid:base64secret,…`; the message holds no secret."""


class SigningKey(Struct, frozen=True):
    """One key; `secret` is base64 of at least 32 random bytes."""

    id: str
    secret: Secret


KeyRing = tuple[SigningKey, ...]
"""The first key signs, all verify: put a new one in front, sign the dialplans anew, then drop the old."""


def new_key() -> SigningKey:
    """A fresh key with a random id."""
    material = base64.b64encode(secrets.token_bytes(MIN_SECRET_BYTES)).decode()
    return SigningKey(f"k{secrets.token_hex(4)}", Secret(material))


def parse_keys(text: str) -> KeyRing:
    """A ring from `keyid:base64secret,…`. Raises KeyFormatError."""
    ring = tuple(_parse_key(part.strip(), place) for place, part in enumerate(text.split(","), start=1))
    ids = [key.id for key in ring]
    if len(set(ids)) != len(ids):
        raise KeyFormatError("two signing keys have the same id; give each its own")
    return ring


def _parse_key(part: str, place: int) -> SigningKey:
    key_id, colon, material = part.partition(":")
    if not colon or not _KEY_ID.fullmatch(key_id):
        raise KeyFormatError(f"signing key {place} is not keyid:base64secret (key id: letters, digits, - and _)")
    try:
        size = len(base64.b64decode(material, validate=True))
    except (binascii.Error, ValueError) as error:
        raise KeyFormatError(f"the secret of signing key {key_id!r} is not base64") from error
    if size < MIN_SECRET_BYTES:
        raise KeyFormatError(f"the secret of signing key {key_id!r} has {size} bytes; {MIN_SECRET_BYTES} are needed")
    return SigningKey(key_id, Secret(material))


def write_keys(ring: KeyRing) -> Secret:
    """The ring as text that `parse_keys` reads."""
    return Secret(",".join(f"{key.id}:{key.secret.reveal()}" for key in ring))


def sign(keys: KeyRing, tenant_id: TenantId, number: str) -> str:
    """`key-id.hex` by the first key of the ring. Raises KeyFormatError when the ring is empty."""
    if not keys:
        raise KeyFormatError("there is no signing key")
    return f"{keys[0].id}.{_mac(keys[0], tenant_id, number)}"


def verify(keys: KeyRing, tenant_id: TenantId, number: str, signature: str) -> bool:
    """Whether a key of the ring signed exactly this pair; never raises, whatever the caller sent."""
    key_id, _, mac = signature.partition(".")
    if not _MAC.fullmatch(mac):
        return False
    key = next((key for key in keys if key.id == key_id), None)
    return key is not None and hmac.compare_digest(_mac(key, tenant_id, number), mac)


def _mac(key: SigningKey, tenant_id: TenantId, number: str) -> str:
    fields = (_PURPOSE, *(field.encode("utf-8", "surrogatepass") for field in (tenant_id, number)))
    message = b"".join(len(field).to_bytes(4, "big") + field for field in fields)
    return hmac.new(base64.b64decode(key.secret.reveal()), message, hashlib.sha256).hexdigest()
