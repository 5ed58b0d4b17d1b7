"""What a key is, and what is seen of it: its id, never what opens."""

import hashlib
import hmac
import re
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import msgspec
import pytest

from base.ids import TenantId
from base.secret import Secret
from tenants.api_keys import ROLES, ApiKey, KeyInvalidError, Role, digest_of, is_key_id, new_key, parse_key

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
TENANT = TenantId("6f1d2c0a-4b7e-4f7b-9a53-1c9e5d7a2b10")
PEPPER = Secret("p" * 32)


def made(tenant_id: TenantId | None = TENANT, role: Role = "tenant-admin", name: str = "", **times: datetime) -> Any:
    return new_key(tenant_id, role, name, pepper=PEPPER, created_at=NOON, **times)


def test_a_key_is_an_id_that_may_be_seen_and_a_secret_that_is_kept_as_a_digest() -> None:
    row, text = made(name="Site", expires_at=NOON + timedelta(days=1))
    assert row.key == ApiKey(
        id=row.key.id,
        tenant_id=TENANT,
        role="tenant-admin",
        name="Site",
        created_at=NOON,
        expires_at=NOON + timedelta(days=1),
    )
    match = re.fullmatch(r"atende_([a-z2-7]{12})_([A-Za-z0-9_-]{43})", text.reveal())
    assert match is not None
    assert match[1] == row.key.id
    digest = hmac.new(b"p" * 32, match[2].encode(), hashlib.sha256)
    assert row.digest == Secret(digest.hexdigest())
    assert digest_of(Secret("q" * 32), Secret(match[2])) != row.digest


def test_no_two_keys_are_alike() -> None:
    pairs = [made() for _ in range(50)]
    assert len({row.key.id for row, _ in pairs}) == len({row.digest for row, _ in pairs}) == 50
    assert len({text.reveal().split("_", 2)[2] for _, text in pairs}) == 50


def test_the_text_in_its_parts() -> None:
    row, text = made()
    presented = parse_key(text.reveal())
    assert presented is not None
    assert presented.id == row.key.id
    assert presented.secret.reveal() == text.reveal().removeprefix(f"atende_{row.key.id}_")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "atende_" + "a" * 12,
        "atende_" + "a" * 12 + "_",
        "atende_" + "a" * 12 + "_" + "b" * 42,
        "atende_" + "a" * 12 + "_" + "b" * 44,
        "atende_" + "a" * 12 + "_" + "b" * 43 + "\n",
        " atende_" + "a" * 12 + "_" + "b" * 43,
        "ATENDE_" + "a" * 12 + "_" + "b" * 43,
        "atende_" + "A" * 12 + "_" + "b" * 43,
        "atende_" + "1" * 12 + "_" + "b" * 43,
        "atende_" + "a" * 11 + "_" + "b" * 43,
        "atende_" + "a" * 12 + "_" + "ß" * 43,
        "atende_" + "a" * 12 + "_" + "b" * 42 + "\x00",
        "atende_" + "a" * 12 + "_" + "b" * 42 + "\ud800",
        "b" * 1_000_000,
    ],
)
def test_what_is_no_key_has_no_parts(text: str) -> None:
    assert parse_key(text) is None


@pytest.mark.parametrize("text", ["", "a" * 11, "a" * 13, "A" * 12, "a" * 12 + "\n", "0" * 12, "a" * 11 + "\x00"])
def test_what_is_no_id(text: str) -> None:
    assert not is_key_id(text)
    assert is_key_id("abcdefgh2345")


def test_what_opens_shows_in_no_repr_and_cannot_be_encoded() -> None:
    row, text = made()
    secret = text.reveal().removeprefix(f"atende_{row.key.id}_")
    seen = f"{row!r} {row} {text!r} {text} {row.key!r} {parse_key(text.reveal())!r} {list(row.__rich_repr__())}"
    assert row.key.id in seen
    assert secret not in seen
    assert row.digest.reveal() not in seen
    assert {name for name in msgspec.to_builtins(row.key) if "digest" in name or "secret" in name} == set()
    for value in (row, parse_key(text.reveal())):
        with pytest.raises(TypeError):
            msgspec.json.encode(value)


@pytest.mark.parametrize("role", ROLES)
def test_a_role_of_the_platform_has_no_tenant_and_one_of_a_tenant_has_one(role: Role) -> None:
    right, wrong = (None, TENANT) if role.startswith("platform") else (TENANT, None)
    assert made(right, role)[0].key.role == role
    with pytest.raises(KeyInvalidError, match=role):
        made(wrong, role)


def test_a_role_that_there_is_not_and_a_key_that_changes_sides_are_refused() -> None:
    with pytest.raises(KeyInvalidError, match="there are platform-admin"):
        made(role=cast(Role, "root"))
    key = made()[0].key
    with pytest.raises(KeyInvalidError):
        msgspec.structs.replace(key, tenant_id=None)
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(msgspec.to_builtins(key) | {"role": "platform-admin"}, ApiKey)


@pytest.mark.parametrize("name", ["x" * 101, "a\nb", "a\x1b[2J", "a\x00", "\ud800", "a\u202eb"])
def test_a_name_is_one_line_that_a_terminal_can_show(name: str) -> None:
    with pytest.raises(KeyInvalidError, match="printable"):
        made(name=name)
    assert made(name="Integração – site nº 1")[0].key.name == "Integração – site nº 1"


@pytest.mark.parametrize("days", [0, -1])
def test_a_key_does_not_expire_before_it_is_made(days: int) -> None:
    with pytest.raises(KeyInvalidError, match="expire"):
        made(expires_at=NOON + timedelta(days=days))


def test_when_a_key_opens_nothing_any_more() -> None:
    key = made(expires_at=NOON + timedelta(days=1))[0].key
    assert key.lapse(NOON + timedelta(days=1, microseconds=-1)) is None
    assert key.lapse(NOON + timedelta(days=1)) == "expired"
    assert msgspec.structs.replace(key, revoked_at=NOON).lapse(NOON) == "revoked"
    assert made()[0].key.lapse(NOON + timedelta(days=99_999)) is None
