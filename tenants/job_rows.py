"""Jobs as rows: what is told of one, and of each kind. Pure."""

from datetime import datetime
from typing import Final, Literal

import msgspec
from msgspec import Struct

from base.ids import TenantId

Kind = Literal["retention", "recordings", "audit", "events", "upkeep"]
KINDS: Final[tuple[Kind, ...]] = ("retention", "recordings", "audit", "events", "upkeep")
JobState = Literal["waiting", "running", "retrying"]


class Payload(Struct, frozen=True):
    """What a job is given."""

    tenant_id: TenantId | None = None
    """Whose it is; None: the platform's, or all of a node."""


def read_payload(raw: bytes | None) -> Payload:
    """Of a job of another version of the program whatever can be read: it may be given something else."""
    try:
        return msgspec.json.decode(raw or b"{}", type=Payload)
    except msgspec.DecodeError:
        return Payload()


class JobRow(Struct, frozen=True, kw_only=True):
    """A job that is not done. When it is, it is in the queue no more."""

    id: int
    kind: str
    """One of `KINDS`, or of another version of the program."""
    node: str
    """Whose it is alone; empty: anybody's."""
    tenant_id: TenantId | None
    """None: the platform's, or all of a node."""
    state: JobState
    created_at: datetime
    changed_at: datetime
    due_at: datetime
    """Not before."""
    attempts: int
    """How often it was begun without an end."""
    last_error: str
    """Why the last of these had none; empty: there was none."""


class KindLoad(Struct, frozen=True, kw_only=True):
    """How a kind of job fares."""

    kind: str
    node: str
    waiting: int = 0
    running: int = 0
    failing: int = 0
    """Of those that wait, the ones that were tried `FAILING_AFTER` times and more."""
    oldest_s: float = 0.0
    """For how long the oldest that could be begun has waited."""
    done_last_day: int = 0
    last_done_at: datetime | None = None
    """Within the last day."""
    last_run_at: datetime | None = None
    """When the timetable had its jobs put into the queue last."""
    next_run_at: datetime | None = None


def name_of(kind: str, node: str) -> str:
    """The name of such jobs in the queue."""
    return f"{kind}@{node}" if node else kind


def kind_and_node(name: str) -> tuple[str, str]:
    """Of a name in the queue."""
    kind, _, node = name.partition("@")
    return kind, node
