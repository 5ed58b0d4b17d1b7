"""Who may command a switch, by its own configuration, and what to make of that. Pure.

mod_event_socket refuses an address that any list of `apply-inbound-acl` refuses; without a list it takes
`loopback.auto`, and without `listen-ip` it listens at 127.0.0.1 (mod_event_socket.c, `config` and `listener_run`).
"""

import xml.etree.ElementTree as ET
from collections.abc import Collection
from ipaddress import ip_address
from typing import Final

from msgspec import Struct

from control.findings import Finding

NAME: Final = "event socket access"
STRANGERS: Final = ("203.0.113.77", "2001:db8::77")
"""Addresses that nobody has (RFC 5737, RFC 3849): a list that lets them in lets in everybody."""


class EventSocket(Struct, frozen=True):
    """Where a switch takes commands, and the access lists that a peer has to pass."""

    listen: str
    lists: tuple[str, ...]

    @property
    def is_near(self) -> bool:
        """Whether only programs of the switch's own machine reach it."""
        try:
            return ip_address(self.listen).is_loopback
        except ValueError:
            return self.listen == "localhost"


def read_event_socket(told: str) -> EventSocket | None:
    """The `event_socket.conf` that the switch tells; None for anything else. It holds the password: do not show it."""
    if "<!DOCTYPE" in told:
        return None
    try:
        # No entity can be declared without a DOCTYPE, and a message of the event socket has a largest size.
        root = ET.fromstring(told)  # noqa: S314
    except ET.ParseError:
        return None
    if root.tag != "configuration":
        return None
    params = [(param.get("name", "").lower(), param.get("value", "").strip()) for param in root.iter("param")]
    listen = [value for name, value in params if name == "listen-ip" and value]
    lists = tuple(value for name, value in params if name == "apply-inbound-acl" and value)
    return EventSocket(listen[-1] if listen else "127.0.0.1", lists or ("loopback.auto",))


def of_access(found: EventSocket | None, let_in: Collection[str]) -> Finding:
    """Whether strangers may reach the event socket: `let_in` are those of them whom all its lists let in."""
    if found is None:
        fix = "look at listen-ip and apply-inbound-acl in event_socket.conf.xml"
        return Finding(name=NAME, level="warn", text="the switch does not tell its configuration", fix=fix)
    if found.is_near:
        return Finding(name=NAME, level="ok", text=f"listens at {found.listen} alone")
    lists = ", ".join(found.lists)
    if let_in:
        fix = "set what `atende dialplan --print event-socket` and `--print acl` print, which let this machine alone in"
        return Finding(name=NAME, level="fail", text=f"listens at {found.listen}, and {lists} lets anybody in", fix=fix)
    return Finding(name=NAME, level="ok", text=f"listens at {found.listen}, and {lists} keeps strangers out")
