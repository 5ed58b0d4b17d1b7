"""Several PBXs: `ATENDE_SWITCHES=matriz,filial`, and `ATENDE_SWITCH_MATRIZ_HOST`, … for each of them.

Beside them there is always `default`, the switch of the variables without a name: the only one where none is named.
Which one a call comes from is told by the address of its connection, so no two may share one.
"""

import difflib
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from ipaddress import ip_network
from typing import Any, Final

from msgspec import Struct

from base.secret import Secret
from control.dialplan.plan import is_reachable
from control.setting_values import directory_user, host, is_address, many, network, one_of, port, read_values
from tenants.errors import did_you_mean
from transports.freeswitch.peers import DEFAULT_SWITCH, LOOPBACK, Network, is_within
from transports.freeswitch.words import WIRES, Wire

_PREFIX: Final = "ATENDE_SWITCH_"
_NAME: Final = re.compile(r"(?=.{1,32}\Z)[a-z][a-z0-9]*(-[a-z0-9]+)*")


class SwitchUnknownError(LookupError):
    """No switch of the settings has that name; the message tells the nearest."""


class Switch(Struct, frozen=True, kw_only=True):
    """One PBX. Field `media_host` of `matriz` is the variable `ATENDE_SWITCH_MATRIZ_MEDIA_HOST`, and so on."""

    name: str = DEFAULT_SWITCH
    host: str
    port: int = 8021
    """Its event socket, for `atende doctor`."""
    user: str | None = None
    """`user@domain` of its directory, whose password `password` is then; absent: the event socket's own."""
    password: Secret | None = None
    peers: tuple[Network, ...] = LOOPBACK
    """Where the connections of its calls come from; absent: the one address that `host` is."""
    door: str | None = None
    """`host:port` at which it reaches our phone door, `a:8084|b:8084` to try the next; absent: where it listens."""
    wire: Wire | None = None
    """How its calls' audio comes where the dialplan does not say; absent: the first of `ATENDE_WIRES`."""
    media_host: str | None = None
    """Our address for its calls' audio; absent: as for all others."""

    def variable(self, field: str) -> str:
        """The variable of one of its fields."""
        return variable(self.name, field)


def names(text: str) -> tuple[str, ...]:
    """The names of `ATENDE_SWITCHES`. Raises ValueError."""
    found = many(_name)(text)
    if twice := sorted({name for name in found if found.count(name) > 1}):
        raise ValueError(f"{', '.join(twice)} is named twice")
    owners: dict[str, str] = {}
    for name in found:
        for field in _PARSERS:
            other = owners.setdefault(variable(name, field), name)
            if other != name:
                raise ValueError(f"{other} and {name} would share {variable(name, field)}; choose another name")
    return found


def variable(name: str, field: str) -> str:
    """The variable of a switch's field."""
    middle = "" if name == DEFAULT_SWITCH else f"{name.replace('-', '_')}_"
    return f"{_PREFIX}{middle}{field}".upper()


def variables(found: Collection[str]) -> list[str]:
    """All variables that switches of these names have."""
    return [variable(name, field) for name in found for field in _PARSERS]


def read(found: Sequence[str], written: Mapping[str, str]) -> tuple[tuple[Switch, ...], list[str]]:
    """The switches of these names, and a line for each fault; none of those that have faults."""
    switches, problems = [], []
    for name in found:
        values, faults = read_values(_PARSERS, written, partial(variable, name))
        faults = faults or _lacking(name, values)
        if not faults:
            switches.append(Switch(name=name, **{"peers": _own_address(values["host"])} | values))
        problems += faults
    return tuple(switches), problems


def contradictions(
    switches: Sequence[Switch], *, wires: Sequence[Wire], media_network: Sequence[Network], door_host: str
) -> list[str]:
    """What the switches cannot be beside each other and the other settings: a line for each."""
    problems = []
    for place, switch in enumerate(switches):
        if switch.wire is not None and switch.wire not in wires:
            problems.append(f"{switch.variable('wire')}: {switch.wire} is not in ATENDE_WIRES; add it there")
        for other in switches[:place]:
            problems += _shared(switch, other)
        if is_within(door_host, LOOPBACK) and not _touch(switch.peers, LOOPBACK):
            fix = "give the address that this machine has there, or 0.0.0.0"
            problems.append(f"ATENDE_ESL_HOST: {door_host} cannot be reached by {switch.name}; {fix}")
        elif (switch.wire or wires[0]) == "unicast":
            problems += _media_problems(switch, media_network)
    return problems


def _shared(switch: Switch, other: Switch) -> list[str]:
    fix = "give the addresses from which this switch alone connects"
    return [
        f"{switch.variable('peers')}: {ours} overlaps {theirs} of {other.name}; {fix}"
        for ours in switch.peers
        for theirs in other.peers
        if _touch([ours], [theirs])
    ]


def _media_problems(switch: Switch, media_network: Sequence[Network]) -> list[str]:
    """Unicast's audio that would be refused with every call."""
    problems, near = [], (*LOOPBACK, *media_network)
    if media_network and not _touch(switch.peers, near):
        peers = ", ".join(map(str, switch.peers))
        problems.append(f"ATENDE_MEDIA_NETWORK: {peers} of {switch.name} is not in it; add the network of that switch")
    if switch.media_host is not None and not is_within(switch.media_host, near):
        told = "is no address in ATENDE_MEDIA_NETWORK; give the one that this machine has there"
        problems.append(f"{switch.variable('media_host')}: {switch.media_host} {told}")
    return problems


def _touch(some: Sequence[Network], others: Sequence[Network]) -> bool:
    """Whether an address can lie in both."""
    return any(one.version == other.version and one.overlaps(other) for one in some for other in others)


def unknown(name: str, found: Collection[str]) -> str:
    """What to do about a variable that no switch of these names has; empty when it is not one of a switch's."""
    fields = "|".join(sorted(map(str.upper, _PARSERS), key=len, reverse=True))
    told = re.fullmatch(rf"{_PREFIX}([A-Z0-9_]+?)_({fields})", name)
    if told is None:
        return ""
    switch = told[1].lower().replace("_", "-")
    near = difflib.get_close_matches(switch, found, n=1)
    return f"did you mean {variable(near[0], told[2])}?" if near else f"name {switch} in ATENDE_SWITCHES to have it"


def find(name: str, switches: Sequence[Switch]) -> Switch:
    """The switch of that name. Raises SwitchUnknownError."""
    for switch in switches:
        if switch.name == name:
            return switch
    raise SwitchUnknownError(f"there is no switch {name!r} ({did_you_mean(name, [one.name for one in switches])})")


def _name(text: str) -> str:
    name = text.lower()
    if not _NAME.fullmatch(name):
        raise ValueError(f"{text!r} is not a switch's name: letters, digits and '-', such as matriz")
    if name == DEFAULT_SWITCH:
        raise ValueError(f"{name} is the switch of ATENDE_SWITCH_HOST; choose another name")
    return name


def _lacking(name: str, values: Mapping[str, Any]) -> list[str]:
    """What has to be given, and is not."""
    if "host" not in values:
        return [f"{variable(name, 'host')}: must be given, e.g. 10.77.0.1: the address of that PBX"]
    if "peers" not in values and not _own_address(values["host"]):
        told = f"must be given because {variable(name, 'host')} is a name, e.g. 10.77.0.1/32"
        return [f"{variable(name, 'peers')}: {told}"]
    return []


def _own_address(written: str) -> tuple[Network, ...]:
    address = "127.0.0.1" if written == "localhost" else written
    return (ip_network(address),) if is_address(address) else ()


def _peers(text: str) -> tuple[Network, ...]:
    found = many(network)(text)
    if not found:
        raise ValueError("name at least one network, e.g. 10.77.0.1/32")
    return found


def _media_host(text: str) -> str:
    found = host(text)
    if found in {"0.0.0.0", "::"}:  # noqa: S104 - compared, not bound
        raise ValueError(f"{found} is no address that a switch could send to; give one of this machine's")
    return found


def _door(text: str) -> str:
    for part in text.split("|"):
        if not is_reachable(part):
            raise ValueError(f"{part!r} is not host:port")
    return text


_PARSERS: Final[Mapping[str, Callable[[str], Any]]] = {
    "host": host,
    "port": port,
    "user": directory_user,
    "password": Secret,
    "peers": _peers,
    "door": _door,
    "wire": one_of(*WIRES),
    "media_host": _media_host,
}
