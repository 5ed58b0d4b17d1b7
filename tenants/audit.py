"""The audit log: who changed what, when, before and after, in a chain in which no entry can be altered unnoticed.

Each tenant has a chain, and the platform has one. An entry's digest covers the entry and the digest before it (linked
time stamps: Haber and Stornetta, "How to time-stamp a digital document", Journal of Cryptology 3, 1991; for logs:
Schneier and Kelsey, "Secure audit logs to support computer forensics", 1999):

    digest 0 = SHA-256("atende audit" ‖ tenant id)                   the platform's id is empty
    digest n = SHA-256(digest n-1 as 32 bytes ‖ canonical bytes of entry n)

The canonical bytes are compact JSON in UTF-8, `{"tenant_id":…,"number":…,"change":…}`, with fields in the order in
which they are declared here, without those that have their default, and times in UTC to the microsecond. A field that
is added later has a default and stands last in its struct, so that what was written before keeps its digest.

What the chain does not tell: that entries are lacking behind its last, or that somebody who owns the database wrote all
of it anew. Both are seen by a digest that was kept elsewhere, in the service's log or by `atende audit verify`.

There is no room in an entry for what somebody said or wrote, for a secret, or for more than two digits of a telephone
number. Pure: no I/O, no clock. `tenants/audit_store.py` keeps chains, `tenants/auditing.py` says when to write.
"""

import hashlib
import re
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from ipaddress import IPv6Address, ip_address
from typing import Final, Literal, get_args

import msgspec
from msgspec import Struct

from base.ids import TenantId
from tenants.api_keys import ROLES, Role, is_key_id

Action = Literal[
    "document.put",
    "document.remove",
    "document.rollback",
    "canary.promote",
    "canary.abort",
    "key.create",
    "key.revoke",
    "call.say",
    "call.hangup",
    "call.transfer",
    "secret.put",
    "secret.remove",
    "erase.number",
]
Outcome = Literal["begun", "done", "failed"]
ActorKind = Literal["key", "command line", "file", "service"]

ACTIONS: Final[tuple[Action, ...]] = get_args(Action)
_UUID: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_LAST_DIGITS: Final = re.compile(r"[0-9]{0,2}")
OBJECTS: Final[Mapping[str, re.Pattern[str]]] = {
    "document": re.compile(r"([1-9][0-9]{0,9})?"),
    "canary": re.compile(r"([1-9][0-9]{0,9})?"),
    "key": re.compile(r"[a-z2-7]{12}"),
    "call": _UUID,
    "secret": re.compile(r"[a-z][a-z0-9_-]{0,62}"),
    "erase": _LAST_DIGITS,
}
"""What an action is done to, by the first word of its name: a revision, a key, a call, a secret's name, last digits."""
_ACTOR: Final = re.compile(r"([A-Za-z][A-Za-z0-9._@-]{0,63})?")
_SHA256: Final = re.compile(r"([0-9a-f]{64})?")


class ChangeInvalidError(ValueError):
    """Nothing like this may be written down; the message does not quote it."""


class AuditBrokenError(Exception):
    """An entry cannot be read: it was altered, or a newer version of the program wrote it."""

    def __init__(self, number: int) -> None:
        super().__init__(f"entry {number} of the audit log was altered, or written by a newer version")
        self.number: Final = number


def _fits(form: re.Pattern[str], text: str) -> bool:
    return form.fullmatch(text) is not None


def _is_utc(at: datetime) -> bool:
    return at.utcoffset() == timedelta(0)


def _require(right: bool, what: str) -> None:
    if not right:
        raise ChangeInvalidError(f"the {what} cannot be written down like this")


class Actor(Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """Who asked for a change. Raises ChangeInvalidError."""

    kind: ActorKind
    id: str = ""
    """The API key's id; on the command line the user of the machine; else the part of the program. May be empty."""
    role: Role | None = None
    """That of the key."""
    address: str = ""
    """The IP address that asked, as `address_of` has it. May be empty."""
    request_id: str = ""
    """A UUID of ours for the request. May be empty."""

    def __post_init__(self) -> None:
        _require(self.kind in get_args(ActorKind), "actor's kind")
        _require(is_key_id(self.id) if self.kind == "key" else _fits(_ACTOR, self.id), "actor's id")
        _require(self.role is None or self.role in ROLES, "actor's role")
        _require(self.address == address_of(self.address), "actor's address")
        _require(self.request_id == "" or _fits(_UUID, self.request_id), "request's id")


class State(Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """What a change is about, as it was before it or is after it; only what applies. Raises ChangeInvalidError."""

    revision: int | None = None
    """Of a document: its number."""
    digest: str = ""
    """Of a document: SHA-256 of the text, in hex. Never of a secret, which could be guessed by it."""
    role: Role | None = None
    """Of a key."""
    expires_at: datetime | None = None
    """Of a key."""
    number_ends: str = ""
    """Of a telephone number: its last two digits, as `ends_of` has them."""
    calls: int | None = None
    """How many calls."""
    version: int | None = None
    """Of a secret."""

    def __post_init__(self) -> None:
        _require(self.revision is None or self.revision > 0, "revision")
        _require(_fits(_SHA256, self.digest), "digest")
        _require(self.role is None or self.role in ROLES, "role")
        _require(self.expires_at is None or _is_utc(self.expires_at), "expires_at, which has to be in UTC")
        _require(_fits(_LAST_DIGITS, self.number_ends), "end of a number")
        _require(self.calls is None or self.calls >= 0, "number of calls")
        _require(self.version is None or self.version > 0, "version")


NOTHING: Final = State()


class Change(Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """A change, as it begins or as it ended. Raises ChangeInvalidError."""

    at: datetime
    """Aware, in UTC."""
    actor: Actor
    action: Action
    outcome: Outcome
    """`failed`: whoever asked was told so. `begun` without an end: what was to be changed tells whether it was made."""
    object: str = ""
    """What it is done to, in the form that `OBJECTS` has for the action."""
    begun_as: int = 0
    """The number of the entry that tells of its beginning; 0: there is none."""
    before: State = NOTHING
    after: State = NOTHING

    def __post_init__(self) -> None:
        _require(_is_utc(self.at), "time, which has to be in UTC")
        _require(self.action in ACTIONS, "action")
        _require(self.outcome in get_args(Outcome), "outcome")
        _require(_fits(OBJECTS[self.action.partition(".")[0]], self.object), f"object of {self.action}")
        _require(self.begun_as == 0 if self.outcome == "begun" else self.begun_as >= 0, "number of its beginning")


class AuditEntry(Struct, frozen=True, kw_only=True):
    """A change in its place in a chain."""

    tenant_id: TenantId | None
    """Whose chain it is; None: the platform's."""
    number: int
    """From 1, without gaps."""
    change: Change
    digest: str
    """In hex."""


class Kept(Struct, frozen=True):
    """An entry as it is kept: the text of its change is that of the canonical bytes."""

    number: int
    change: str
    digest: bytes


class Link(Struct, frozen=True):
    """An entry by which a chain is known: up to it nothing can be altered without another digest."""

    number: int
    digest: str
    """In hex."""


class Verdict(Struct, frozen=True, kw_only=True):
    """What became of verifying a chain."""

    tenant_id: TenantId | None
    held_to: int
    """It holds to this number; 0: to its beginning."""
    digest: str
    """Of that entry, in hex. Kept elsewhere, it proves later that nothing was removed or written anew up to it."""
    broken_at: int | None
    """The first number at which it does not hold; None: it holds."""
    whole: bool = True
    """Whether it was looked at to its end, or to where it breaks."""


def start(tenant_id: TenantId | None) -> Kept:
    """What the first entry of a chain is linked to; it is kept nowhere."""
    return Kept(0, "", hashlib.sha256(b"atende audit" + (tenant_id or "").encode()).digest())


def sealed(tenant_id: TenantId | None, change: Change, last: Kept) -> Kept:
    """The change as the next entry behind the last one of its chain."""
    text = msgspec.json.encode(change).decode()
    return Kept(last.number + 1, text, _digest(tenant_id, last.number + 1, text, last.digest))


def opened(tenant_id: TenantId | None, kept: Kept) -> AuditEntry:
    """The entry as it is read. Raises AuditBrokenError."""
    try:
        change = msgspec.json.decode(kept.change, type=Change)
    except msgspec.MsgspecError as error:
        raise AuditBrokenError(kept.number) from error
    return AuditEntry(tenant_id=tenant_id, number=kept.number, change=change, digest=kept.digest.hex())


def verify(tenant_id: TenantId | None, entries: Iterable[Kept], last: Kept) -> int | None:
    """The first number behind `last` at which these are not its chain: altered, missing, swapped, inserted; or None."""
    for kept in entries:
        number = last.number + 1
        if kept.number != number or kept.digest != _digest(tenant_id, number, kept.change, last.digest):
            return number
        last = kept
    return None


def canonical(tenant_id: TenantId | None, number: int, change: str) -> bytes:
    """What a digest covers, beside the digest before it."""
    return b'{"tenant_id":%b,"number":%d,"change":%b}' % (msgspec.json.encode(tenant_id), number, change.encode())


def address_of(host: str) -> str:
    """The IP address in its usual form, without the name of an interface; empty where it is none."""
    try:
        address = ip_address(host.partition("%")[0])
    except ValueError:
        return ""
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return str(mapped or address)


def ends_of(number: str) -> str:
    """The last two digits of a telephone number: as much of it as is ever written down."""
    return "".join(re.findall("[0-9]", number))[-2:]


def _digest(tenant_id: TenantId | None, number: int, change: str, previous: bytes) -> bytes:
    return hashlib.sha256(previous + canonical(tenant_id, number, change)).digest()
