"""Which of a node's processes this is, and what of the node's is its own."""

import os
import secrets
import socket
from pathlib import Path
from typing import Final

from msgspec import Struct, structs

from control.places import BESIDE
from control.settings import PortRange, Settings
from tenants.roles import DO_JOBS, HAVE_THE_API, TAKE_CALLS, Role

NODE_FILE: Final = "node"


class Seat(Struct, frozen=True, kw_only=True):
    """A process's place. `slot` counts from 0 among the processes of the node and role; one process at a time has it.

    `all` is the one process of a node without workers: everything of the node is its own.
    """

    role: Role = "all"
    slot: int = 0

    @property
    def name(self) -> str:
        """For a folder, a log line, a list of processes."""
        return f"{self.role}-{self.slot}"

    @property
    def takes_calls(self) -> bool:
        """Whether it has a phone door."""
        return self.role in TAKE_CALLS

    @property
    def has_api(self) -> bool:
        """Whether it answers operators, and is who of the node looks after what is the node's."""
        return self.role in HAVE_THE_API

    @property
    def does_jobs(self) -> bool:
        """Whether it works on the queue of jobs."""
        return self.role in DO_JOBS

    def spool(self, data_dir: Path) -> Path:
        """Where its records wait for the database."""
        return data_dir / "spool" if self.role == "all" else data_dir / "spool" / self.name

    def folder(self, data_dir: Path) -> Path:
        """What no other process may write to."""
        return data_dir if self.role == "all" else data_dir / "processes" / self.name


ALL: Final = Seat()


def seats(found: Settings) -> tuple[list[Seat], ...]:
    """Of a node with workers, when it begins: those that begin together, each behind those whom it needs.

    Who does jobs needs the companies, which the one with the REST API has stored when it has begun.
    """
    models = [Seat(role="models")] if found.models_url is None else []
    media = (Seat(role="media", slot=slot) for slot in range(found.workers))
    return models, [Seat(role="control"), *media], [Seat(role=role) for role in BESIDE]


class Place(Struct, frozen=True, kw_only=True):
    """What a process is given when it begins."""

    seat: Seat = ALL
    door: socket.socket | None = None
    """The phone door that it shares with others, which listens already; None: it has one of its own, or none."""
    url: str = ""
    """Where it can be asked by other processes; empty: nowhere."""


def seated(found: Settings, place: Place) -> Settings:
    """The settings with this place's own ports; nobody else of the node has them."""
    seat = place.seat
    if place.door is not None:
        found = structs.replace(found, esl_port=_nth(found.again_port, seat.slot))
    if seat.role in BESIDE:
        behind = found.slots + BESIDE.index(seat.role)
        return structs.replace(found, internal_port=_nth(found.internal_port, behind))
    if seat.role != "media":
        return found
    ports = found.media_ports
    each = (ports.last + 1 - ports.first) // found.slots // 2 * 2
    first = ports.first + seat.slot * each
    return structs.replace(
        found,
        media_ports=PortRange(first, first + each - 1),
        media_socket_port=_nth(found.media_socket_port, seat.slot),
        internal_port=_nth(found.internal_port, seat.slot),
    )


def _nth(first: int, slot: int) -> int:
    return first + slot if first else 0


def node_of(found: Settings) -> str:
    """The node's name: as it is set, or the host's with a number that its data directory keeps."""
    return machine_of(found) if found.node is None else found.node


def machine_of(found: Settings) -> str:
    """What no other node has, whatever it is called: a name that its data directory keeps."""
    file = found.data_dir / NODE_FILE
    found.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = file.with_name(f".{NODE_FILE}.{secrets.token_hex(8)}")
    if not file.exists():
        draft.write_text(f"{socket.gethostname()[:80]}-{secrets.token_hex(3)}\n", encoding="utf-8")
        try:
            os.link(draft, file)  # whole or not at all, and the first one's
        except FileExistsError:
            pass
        finally:
            draft.unlink()
    return file.read_text(encoding="utf-8").strip()


def url_of(listener: socket.socket, internal_host: str) -> str:
    """Where others ask who listens there; `internal_host` is the address of one that listens on all."""
    host, port = listener.getsockname()[:2]
    host = internal_host if host in {"0.0.0.0", "::"} else host  # noqa: S104 - compared, not bound
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
