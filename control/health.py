"""How the process and its tenants are, as whoever asks is told."""

from collections.abc import Mapping
from datetime import datetime

from msgspec import Struct

from base.ids import TenantId
from control.dependencies import Dependency
from control.workers.presence import FailedRevision
from tenants.statuses import Retry


class TenantHealth(Struct, frozen=True, kw_only=True):
    """One tenant as an operator sees it.

    `state`: `loading`, `preparing`, `ready`, `on trial`, `waiting` or `failed` (docs/api.md). The `problem` of one
    that is ready or waits is that of its newest document, which does not answer, or not as it should. It is tried again
    `later`, at `next_try` (UTC), or that is `queued` behind others, or under way `now`; null: not before the file is
    saved.
    """

    slug: str
    tenant_id: TenantId | None = None
    """null: its file could not be read, or is not read so far."""
    state: str
    revision: int | None
    live_calls: int
    problem: str | None = None
    retry: Retry | None = None
    next_try: datetime | None = None


class ProcessHealth(Struct, frozen=True, kw_only=True):
    """One of several processes, as it told of itself last.

    Which machine's it is, and what is wrong with it, is for the platform's keys: others are told its role, its state
    and its counts, and null of the rest.
    """

    role: str
    node: str | None = None
    slot: int | None = None
    pid: int | None = None
    version: str | None = None
    state: str
    """`starting`, `ok`, `full` or `draining`."""
    live_calls: int
    max_calls: int
    renewed_at: datetime
    problem: str | None = None
    """Why it takes no further call, where that is not by order."""
    failing: int = 0
    """Tenants that it does not have as it should."""
    failed: tuple[FailedRevision, ...] = ()
    """Some of these, of those that whoever asks may know of."""


class ScrapeTarget(Struct, frozen=True):
    """As Prometheus' `http_sd_configs` takes it."""

    targets: tuple[str, ...]
    labels: Mapping[str, str]


class ReadyView(Struct, frozen=True, kw_only=True):
    """Whether calls can be taken, and what hinders them."""

    ready: bool
    problems: tuple[str, ...]
    live_calls: int
    tenants: tuple[TenantHealth, ...] | None
    """With a key of the platform all, with a tenant's its own; without a key null."""
    states: Mapping[str, int] = {}
    """Tenants by their state; a revision on trial counts beside what it is tried beside."""
    dependencies: tuple[Dependency, ...] = ()
    processes: tuple[ProcessHealth, ...] = ()
    """All that share the tenants, by node; none where one process does everything."""
