"""Values that may stand in a command: quoted so that none can add a variable, an argument or a line.

Rules of FreeSWITCH 1.11.2, read off recordings (`tests/data/captures/esl_inbound.plain`): inside `{…}` of an
`originate`, single quotes protect spaces but no commas; a comma needs a backslash before it, inside the quotes.
A colon is refused: `:_:` parts dial strings, whatever is quoted (`switch_ivr_enterprise_originate`).
Everything whose quoting was not seen on a real FreeSWITCH is refused where it matters and left out where it
is only shown (`shown`): a caller's name is worth less than the switch.
"""

import re
import unicodedata
from collections.abc import Sequence
from enum import Enum
from typing import Final

from base.ids import CallId
from transports.freeswitch.errors import LocalProtocolError
from transports.freeswitch.words import Route

MAX_VALUE_CHARS: Final = 512
_AGAIN: Final = "door_again:XML:"
_SHOWN: Final = frozenset(" ,.-+@_()&#!?/*=")
"""Beside letters and digits of any script; none of them is special in a quoted value but the comma."""
_CALL_ID: Final = re.compile(r"[0-9A-Za-z][0-9A-Za-z_.-]{0,127}", re.ASCII)
_TOKEN: Final = re.compile(r"[0-9A-Za-z_.+@/#*-]{1,256}", re.ASCII)
_ACCESS: Final = re.compile(r"[0-9A-Za-z_.:/-]{1,64}", re.ASCII)
_NUMBER: Final = re.compile(r"\+?[0-9*#]{1,40}", re.ASCII)
_CONTEXT: Final = re.compile(r"[0-9A-Za-z][0-9A-Za-z._-]{0,252}", re.ASCII)
_TRUE: Final = frozenset({"yes", "on", "true", "t", "enabled", "active", "allow"})
_WHOLE: Final = re.compile(r"-?([0-9]{1,18})(\.[0-9]*)?\Z", re.ASCII)
_HOST: Final = re.compile(r"[0-9A-Za-z]([0-9A-Za-z.-]{0,251}[0-9A-Za-z])?", re.ASCII)


class Variable(Enum):
    """The channel variables that we set. A closed set: there is no way to name another."""

    CALLER_NAME = "origination_caller_id_name"
    CALLER_NUMBER = "origination_caller_id_number"
    ORIGINATE_TIMEOUT = "originate_timeout"
    ORIGINATION_UUID = "origination_uuid"
    IGNORE_EARLY_MEDIA = "ignore_early_media"
    HANGUP_AFTER_BRIDGE = "hangup_after_bridge"
    CONTINUE_ON_FAIL = "continue_on_fail"
    TRANSFER_AFTER_BRIDGE = "transfer_after_bridge"
    SOCKET_RESUME = "socket_resume"
    DOOR = "door"
    SEND_SILENCE_WHEN_IDLE = "send_silence_when_idle"
    PLAYBACK_TERMINATORS = "playback_terminators"
    RECORD_STEREO = "RECORD_STEREO"
    TENANT = "atende_tenant"
    CALL = "atende_call"
    ASSISTANT = "atende_assistant"
    REVISION = "atende_revision"
    OUTCOME = "atende_outcome"
    AGAIN_AT = "atende_again_at"
    PARK_TIMEOUT = "park_timeout"


def checked_call_id(text: str) -> CallId:
    """`text` as a channel id that is safe as an argument. Raises LocalProtocolError."""
    if not _CALL_ID.fullmatch(text):
        raise LocalProtocolError(f"not a channel id: {text[:60]!r}")
    return CallId(text)


def word(value: Enum, kind: type[Enum]) -> str:
    """The value of a member of a closed set. Raises LocalProtocolError for anything else."""
    if not isinstance(value, kind):
        raise LocalProtocolError(f"not a {kind.__name__}: {value!r}"[:80])
    return str(value.value)


def token(value: str) -> str:
    """One argument without spaces or anything special. Raises LocalProtocolError."""
    if not _TOKEN.fullmatch(value):
        raise LocalProtocolError(f"not one plain argument: {value[:60]!r}")
    return value


def access_name(value: str) -> str:
    """An address, a network or the name of an access list. Raises LocalProtocolError."""
    if not _ACCESS.fullmatch(value):
        raise LocalProtocolError(f"not an address or an access list: {value[:60]!r}")
    return value


def dialled(value: str) -> str:
    """A telephone number or extension: digits, `*`, `#`, and one `+` in front. Raises LocalProtocolError."""
    if not _NUMBER.fullmatch(value):
        raise LocalProtocolError(f"not a number that can be dialled: {value[:60]!r}")
    return value


def checked_route(value: Route) -> Route:
    """A number in a domain's dialplan, as `dialled` and `host` want them. Raises LocalProtocolError."""
    dialled(value.number)
    host(value.domain)
    return value


def host(value: str) -> str:
    """A host name or address, as in the domain of an extension. Raises LocalProtocolError."""
    if not _HOST.fullmatch(value):
        raise LocalProtocolError(f"not a host name: {value[:60]!r}")
    return value


def door_address(value: str) -> str:
    """`host:port` of a phone door, as the dialplan's `socket` takes it. Raises LocalProtocolError."""
    name, _, port = value.rpartition(":")
    if not (port.isascii() and port.isdecimal() and 0 < int(port) < 65536):
        raise LocalProtocolError(f"not host:port: {value[:60]!r}")
    return f"{host(name)}:{port}"


def event_kinds(words: Sequence[str]) -> str:
    """Kinds of event as `event plain` lists them: the modules' own (`module::kind`) last, behind one CUSTOM."""
    custom = [word for word in words if "::" in word]
    return " ".join([*(word for word in words if "::" not in word), *(["CUSTOM", *custom] if custom else [])])


def shown(value: str) -> str:
    """Text that people are shown (a caller's name), made harmless: what has no proven quoting becomes a space."""
    plain = unicodedata.normalize("NFC", value)[:MAX_VALUE_CHARS]
    kept = (letter if letter.isalnum() or letter in _SHOWN else " " for letter in plain)
    return " ".join("".join(kept).split())


def quoted(value: str) -> str:
    """A value for `{name=…}` of an originate. Raises LocalProtocolError for what cannot be quoted safely."""
    if len(value) > MAX_VALUE_CHARS or value != shown(value):
        raise LocalProtocolError(f"a value that cannot be quoted safely: {value[:60]!r}")
    if _TOKEN.fullmatch(value):
        return value
    return "'" + value.replace(",", "\\,") + "'"


def assigned(variables: "dict[Variable, str] | tuple[tuple[Variable, str], ...]") -> str:
    """`{a=1,b='x y'}` in the order given; empty for none. Raises LocalProtocolError."""
    pairs = variables.items() if isinstance(variables, dict) else variables
    inner = ",".join(f"{_name(name)}={quoted(value)}" for name, value in pairs)
    return f"{{{inner}}}" if inner else ""


def listed(variables: tuple[tuple[Variable, str], ...]) -> str:
    """`a=1;b=2` of `uuid_setvar_multi`: plain arguments only. Raises LocalProtocolError."""
    if not variables:
        raise LocalProtocolError("no variable to set")
    return ";".join(f"{_name(name)}={_plain(name, value)}" for name, value in variables)


def checked_context(value: str) -> str:
    """A dialplan's context: letters, digits, `.`, `_` and `-`, as in `atende dialplan`. Raises LocalProtocolError."""
    if not _CONTEXT.fullmatch(value):
        raise LocalProtocolError(f"not a context: {value[:60]!r}")
    return value


def truth(value: str) -> str:
    """`true` or `false`, as the switch reads a variable: its words for yes in any case, and a number from 1 on."""
    number = _WHOLE.match(value)
    return "true" if value.lower() in _TRUE or (number is not None and int(number[1])) else "false"


def back_through_the_door(context: str) -> tuple[Variable, str]:
    """After the bridge the dialplan goes on at `door_again` of this context. Raises LocalProtocolError."""
    return Variable.TRANSFER_AFTER_BRIDGE, f"{_AGAIN}{checked_context(context)}"


def _plain(name: Variable, value: str) -> str:
    if name is Variable.TRANSFER_AFTER_BRIDGE and value.startswith(_AGAIN):
        return _AGAIN + checked_context(value.removeprefix(_AGAIN))
    if name is Variable.AGAIN_AT:
        return door_address(value)
    return token(value)


def _name(name: Variable) -> str:
    if not isinstance(name, Variable):
        raise LocalProtocolError(f"not a Variable: {name!r}"[:80])
    return name.value
