"""What may stand in a setting: a parser for each kind of value.

Each raises ValueError with what would do. A value that may hold a secret is not shown.
"""

import ipaddress
import re
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeVar
from urllib.parse import urlsplit

from base.http import Endpoint
from base.secret import Secret
from tenants.keys import MIN_SECRET_CHARS
from transports.freeswitch.peers import Network
from transports.freeswitch.words import WIRES

T = TypeVar("T")
_USER: Final = re.compile(r"[0-9A-Za-z_.+-]{1,64}@[0-9A-Za-z.-]{1,190}")
_NAME: Final = re.compile(r"[a-z][a-z0-9_-]{0,62}")
_TOKEN: Final = re.compile(r"[!-~]{1,4096}")
_NODE: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
OWN_MODELS: Final = "own"
"""The value of `ATENDE_MODELS_URL` with which each process loads the models that it needs."""
_HOST_NAME: Final = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,252})")


def read_values(
    parsers: Mapping[str, Callable[[str], Any]], written: Mapping[str, str], variable: Callable[[str], str]
) -> tuple[dict[str, Any], list[str]]:
    """The fields that are written, and a line for each that cannot be read. `variable` is a field's name outside."""
    values: dict[str, Any] = {}
    problems = []
    for field, parse in parsers.items():
        text = written.get(variable(field), "").strip()
        if not text:
            continue
        try:
            values[field] = parse(text)
        except ValueError as error:
            problems.append(f"{variable(field)}: {error}")
    return values, problems


def whole(low: int, high: int) -> Callable[[str], int]:
    """A whole number, both ends included."""

    def parse(text: str) -> int:
        if not (text.isascii() and text.isdecimal() and low <= int(text) <= high):
            raise ValueError(f"{text!r} is not a whole number from {low} to {high}")
        return int(text)

    return parse


def one_of(*choices: str) -> Callable[[str], str]:
    """One of these, in any case."""

    def parse(text: str) -> str:
        if text.lower() not in choices:
            raise ValueError(f"{text!r} is none of {', '.join(choices)}")
        return text.lower()

    return parse


def many(item: Callable[[str], T]) -> Callable[[str], tuple[T, ...]]:
    """Several, with commas between."""
    return lambda text: tuple(item(part.strip()) for part in text.split(",") if part.strip())


port: Final = whole(0, 65535)
"""0: any free port."""


def on_off(text: str) -> bool:
    """A truth, as people write it."""
    return one_of("on", "off", "true", "false", "1", "0", "yes", "no")(text) in {"on", "true", "1", "yes"}


def wires(text: str) -> tuple[str, ...]:
    """Some of the wires, each once."""
    named = many(one_of(*WIRES))(text)
    if not named:
        raise ValueError(f"name at least one of {', '.join(WIRES)}")
    return tuple(dict.fromkeys(named))


def network(text: str) -> Network:
    """An address with the length of its network."""
    try:
        return ipaddress.ip_network(text)
    except ValueError as error:
        raise ValueError(f"{text!r} is not a network such as 10.0.0.0/24 ({error})") from error


def endpoint(text: str) -> Endpoint:
    """`host:port`."""
    name, colon, number = text.rpartition(":")
    if not colon or not name:
        raise ValueError(f"{text!r} is not host:port")
    return Endpoint(name.strip("[]").lower(), port(number))


def named_url(text: str) -> tuple[str, str]:
    """`name=URL`, with a name that documents can write."""
    name, equals, url = (part.strip() for part in text.partition("="))
    try:
        parts = urlsplit(url)
        good = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        good = False
    if not equals or not _NAME.fullmatch(name) or not good or "@" in url:
        raise ValueError("is not name=URL such as gpu=http://10.0.0.7:8000/v1, without user (the value is not shown)")
    return name, url


def named_urls(text: str) -> Mapping[str, str]:
    """Several, with commas between, each name once."""
    found: dict[str, str] = {}
    for name, url in many(named_url)(text):
        if name in found:
            raise ValueError(f"{name!r} is there twice")
        found[name] = url
    return found


def base_url(text: str) -> str:
    """`http://host:port/path` or `https://…`, nothing more: a secret has a variable of its own."""
    try:
        parts = urlsplit(text)
        good = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
        good = good and not (parts.query or parts.fragment or parts.username is not None)
    except ValueError:
        good = False
    if not good:
        raise ValueError("is not https://host:port, without user and query (the value is not shown)")
    return text.rstrip("/")


def server_url(text: str) -> str:
    """As `base_url`, without a path."""
    url = base_url(text)
    if urlsplit(url).path:
        raise ValueError("is not https://host:port, without path (the value is not shown)")
    return url


def model_server(text: str) -> str:
    """`unix:///path`, a `base_url` (with or without its `/v1`), or OWN_MODELS."""
    if text.lower() == OWN_MODELS:
        return OWN_MODELS
    if text.startswith("unix:"):
        path = text.removeprefix("unix://")
        if not path.startswith("/"):
            raise ValueError(f"{text!r} is not unix:///path/of/a/socket")
        return text
    return base_url(text).removesuffix("/v1")


def token(text: str) -> Secret:
    """What may stand in a header."""
    if not _TOKEN.fullmatch(text):
        raise ValueError("has characters that a header cannot carry (the value is not shown)")
    return Secret(text)


def endpoint_of(url: str) -> Endpoint:
    """Where a URL goes."""
    parts = urlsplit(url)
    return Endpoint((parts.hostname or "").rstrip("."), parts.port or (443 if parts.scheme == "https" else 80))


def host(text: str) -> str:
    """A name or an address."""
    bare = text.strip("[]")
    if not _HOST_NAME.fullmatch(bare) and not is_address(bare):
        raise ValueError(f"{text!r} is not a host name or an address; the port has a variable of its own")
    return bare


def node_name(text: str) -> str:
    """A machine's name among others."""
    if not _NODE.fullmatch(text):
        raise ValueError(f"{text!r} is not a node's name: letters, digits, '.', '_' and '-', 100 at most")
    return text


def directory_user(text: str) -> str:
    """A user of a switch's directory."""
    if not _USER.fullmatch(text):
        raise ValueError(f"{text!r} is not user@domain, as in the switch's directory")
    return text


def is_address(text: str) -> bool:
    """Whether it is an address, not a name."""
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def database_url(text: str) -> Secret:
    """Of a PostgreSQL."""
    if not text.startswith(("postgresql://", "postgres://")):
        raise ValueError("must start with postgresql:// (the value is not shown: it may hold a password)")
    return Secret(text)


def long_secret(text: str) -> Secret:
    """One that nobody can guess."""
    if len(text) < MIN_SECRET_CHARS:
        raise ValueError(
            f"has {len(text)} characters, {MIN_SECRET_CHARS} are needed; take those of `openssl rand -hex 32`"
        )
    return Secret(text)
