"""What a secret's rows are: a version each, with its value sealed, or erased."""

import re
from datetime import datetime
from typing import Final

from msgspec import Struct

from base.ids import TenantId
from tenants.sealing import Sealed

MAX_SECRET_BYTES: Final = 16 * 1024
"""In UTF-8."""
MAX_SECRETS: Final = 100
"""Of one tenant. Those who add at the same time may exceed it a little."""
MAX_LISTED: Final = 200
"""Versions that are listed at once."""
_NAME: Final = re.compile(r"[a-z][a-z0-9_-]{0,62}")


class SecretNameError(ValueError):
    """Not a name that a secret can have."""


class SecretsUnavailableError(Exception):
    """What is kept cannot be asked now: another time it may."""


class TooManySecretsError(Exception):
    """The tenant has `MAX_SECRETS`."""

    def __init__(self) -> None:
        super().__init__(f"there are {MAX_SECRETS} secrets; remove those that are not used any more")


class VersionTakenError(Exception):
    """Somebody else has kept another value meanwhile."""

    def __init__(self, name: str, version: int) -> None:
        super().__init__(f"version {version} of the secret {name!r} was kept by somebody else; try again")


class SecretInfo(Struct, frozen=True, kw_only=True):
    """One version, without its value. Times are aware, in UTC."""

    name: str
    version: int
    """From 1; none is told twice, also when a secret was removed."""
    created_at: datetime
    created_by: str
    """Who kept it: `key ID`, `command line USER`, `service`."""
    erased_at: datetime | None = None
    """When its value was erased: by the next version, or because the secret was removed."""


class SecretRow(Struct, frozen=True, kw_only=True):
    """One version as it is kept."""

    info: SecretInfo
    value: Sealed | None
    """None: it was erased."""


class Change(Struct, frozen=True, kw_only=True):
    """What became of a version."""

    tenant_id: TenantId
    name: str
    version: int
    kept: bool
    """Its value is there."""
    changed_at: datetime
    """By the store's clock."""


class Place(Struct, frozen=True, order=True):
    """Where a value is kept; places have an order."""

    tenant_id: TenantId
    name: str
    version: int


class PlacedValue(Struct, frozen=True):
    """A value in its place."""

    place: Place
    value: Sealed


def is_secret_name(text: str) -> bool:
    """Lower-case letters, digits, - and _, from a letter on."""
    return _NAME.fullmatch(text) is not None


def checked_name(text: str) -> str:
    """The name. Raises SecretNameError."""
    if not is_secret_name(text):
        raise SecretNameError(f"{text!r} is not a secret's name: lower-case letters, digits, - and _")
    return text
