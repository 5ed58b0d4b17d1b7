"""Who may connect, from where, and which switch that is."""

import asyncio
from collections.abc import Iterable
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Final

from msgspec import Struct

Network = IPv4Network | IPv6Network

LOOPBACK: Final = (ip_network("127.0.0.0/8"), ip_network("::1/128"))
DEFAULT_SWITCH: Final = "default"
"""The name of the one switch where there are no others."""


class PeerSwitch(Struct, frozen=True, kw_only=True):
    """A switch, as far as its connections tell which one it is."""

    name: str = DEFAULT_SWITCH
    networks: tuple[Network, ...] = LOOPBACK
    """Where its connections come from."""
    our_host: str | None = None
    """Our address for its calls' audio; None: as for all others."""


def switch_of(host: str, switches: Iterable[PeerSwitch]) -> PeerSwitch | None:
    """The first one in whose networks the peer's address lies. Raises ValueError for what is no address."""
    return next((switch for switch in switches if is_allowed(host, switch.networks)), None)


def is_allowed(host: str, networks: Iterable[Network]) -> bool:
    """Whether the peer's address lies in one of the networks. Raises ValueError for what is no address."""
    peer = ip_address(host)
    return any(peer in network for network in networks)


def is_within(host: str, networks: Iterable[Network]) -> bool:
    """Whether an address of ours or of a switch lies in one of the networks; a name lies in none but `localhost`."""
    try:
        return is_allowed("127.0.0.1" if host == "localhost" else host, networks)
    except ValueError:
        return False


def bound_address(server: asyncio.Server) -> tuple[str, int]:
    """Where it listens; the port is the real one when 0 was asked for."""
    host, port = server.sockets[0].getsockname()[:2]
    return str(host), int(port)
