"""API keys of operators: what they are, how their text is made and read, and what is kept of them.

The text is `atende_<id>_<secret>`. The id is the part that may be seen; the secret is 256 random bits. Kept is its
HMAC-SHA-256 (RFC 2104) under a secret of the server's own, the pepper, which is not in the database: who can write
rows there cannot make a key that opens. No slow hash is needed: what is random as a whole cannot be guessed.

Pure: no I/O, no clock. `tenants/api_key_store.py` keeps keys, `tenants/key_checker.py` says whether one opens.
"""

import base64
import hashlib
import hmac
import re
import secrets
from datetime import datetime
from typing import Final, Literal, get_args

from msgspec import Struct

from base.ids import ApiKeyId, TenantId
from base.secret import Secret

Role = Literal["platform-admin", "platform-viewer", "tenant-admin", "tenant-viewer"]
ROLES: Final[tuple[Role, ...]] = get_args(Role)
PLATFORM_ROLES: Final[tuple[Role, ...]] = ("platform-admin", "platform-viewer")
MAX_NAME_CHARS: Final = 100
FRESH_S: Final = 5.0
"""So long a key that another process revoked may still open."""
_ID: Final = re.compile(r"[a-z2-7]{12}")
_TEXT: Final = re.compile(r"atende_([a-z2-7]{12})_([A-Za-z0-9_-]{43})")


class KeyInvalidError(ValueError):
    """There can be no such key; the message says why, without its secret."""


class ApiKey(Struct, frozen=True, kw_only=True):
    """One key, without anything that opens. Times are aware, in UTC.

    `tenant_id` is None exactly for the platform's roles. Raises KeyInvalidError.
    """

    id: ApiKeyId
    tenant_id: TenantId | None
    role: Role
    name: str
    """What its owner calls it."""
    created_at: datetime
    expires_at: datetime | None = None
    """From then on it opens nothing."""
    last_used_at: datetime | None = None
    """To about a minute."""
    revoked_at: datetime | None = None

    def __post_init__(self) -> None:
        if self.role not in ROLES:
            raise KeyInvalidError(f"{self.role!r} is no role; there are {', '.join(ROLES)}")
        if (self.tenant_id is None) != (self.role in PLATFORM_ROLES):
            belongs = "to no tenant" if self.role in PLATFORM_ROLES else "to a tenant"
            raise KeyInvalidError(f"a key of the role {self.role} belongs {belongs}")

    def lapse(self, at: datetime) -> Literal["expired", "revoked"] | None:
        """Why it opens nothing at that time; None while it opens."""
        if self.revoked_at is not None:
            return "revoked"
        return "expired" if self.expires_at is not None and at >= self.expires_at else None


class KeyRow(Struct, frozen=True, kw_only=True):
    """A key as it is kept. The digest, in hex, is held as a Secret: it shows in no repr and cannot be encoded."""

    key: ApiKey
    digest: Secret


class Presented(Struct, frozen=True):
    """A key's text in its parts, as somebody sent it; nothing is checked but its form."""

    id: ApiKeyId
    secret: Secret


def new_key(
    tenant_id: TenantId | None,
    role: Role,
    name: str,
    *,
    pepper: Secret,
    created_at: datetime,
    expires_at: datetime | None = None,
) -> tuple[KeyRow, Secret]:
    """A fresh key as it is to be kept, and its text, which is kept nowhere. Raises KeyInvalidError."""
    if len(name) > MAX_NAME_CHARS or not name.isprintable():
        raise KeyInvalidError(f"a key's name is one line of at most {MAX_NAME_CHARS} printable characters")
    if expires_at is not None and expires_at <= created_at:
        raise KeyInvalidError("a key cannot expire before it is made")
    key_id = ApiKeyId(base64.b32encode(secrets.token_bytes(10)).decode().lower()[:12])
    key = ApiKey(id=key_id, tenant_id=tenant_id, role=role, name=name, created_at=created_at, expires_at=expires_at)
    secret = Secret(secrets.token_urlsafe(32))
    return KeyRow(key=key, digest=digest_of(pepper, secret)), Secret(f"atende_{key_id}_{secret.reveal()}")


def parse_key(text: str) -> Presented | None:
    """The parts of a key's text; None when it is no key's."""
    match = _TEXT.fullmatch(text)
    return None if match is None else Presented(ApiKeyId(match[1]), Secret(match[2]))


def is_key_id(text: str) -> bool:
    """Whether a key could have this id."""
    return _ID.fullmatch(text) is not None


def digest_of(pepper: Secret, secret: Secret) -> Secret:
    """What is kept of a key's secret: 64 digits of hex."""
    return Secret(hmac.new(pepper.reveal().encode(), secret.reveal().encode(), hashlib.sha256).hexdigest())
