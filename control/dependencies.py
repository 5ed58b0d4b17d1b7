"""What the service depends on, and how each fares: state, problem and fix. Pure."""

from collections.abc import Collection
from datetime import datetime
from typing import Final, Literal

from msgspec import Struct

from pipelines.spool import SpoolLoad
from tenants.job_rows import KindLoad
from transports.lateness import Lateness

State = Literal["ok", "degraded", "down"]
Name = Literal["database", "spool", "disk", "models", "model server", "phone door", "media clock", "jobs"]

ALARM_SHARE: Final = 0.8
"""Of the spool's bound."""
LOW_TIMES: Final = 2
"""The disk is low below so many times the floor."""
OLD_S: Final = 300.0
"""What waits so long in the spool while the database answers is behind."""
STUCK_S: Final = 900.0
"""A job whose time has come, and that has waited for so long, waits for somebody who is not there."""
LATE_MS: Final = 20.0
"""One frame: beyond that callers hear gaps."""
MB: Final = 1_000_000


class Dependency(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One of them. `degraded`: calls are taken all the same."""

    name: Name
    state: State
    problem: str | None = None
    """What is wrong, what that means, and what to do."""
    since: datetime | None = None
    """Of a database that does not answer: since when."""
    waiting: int | None = None
    """Entries of the spool that are not in the database; jobs in the queue."""
    oldest_s: float | None = None
    """For how long the oldest of them has waited; of jobs: of those whose time has come."""
    used_bytes: int | None = None
    """By the spool; by models, as their stages declare it."""
    bound_bytes: int | None = None
    """So many at most; of the disk: so many are to stay free."""
    free_bytes: int | None = None
    """On the disk of the data folder."""
    live_calls: int | None = None
    max_calls: int | None = None
    late_p99_ms: float | None = None
    """Of the clock's beats of the last seconds."""


class StorageBounds(Struct, frozen=True, kw_only=True):
    """How much may be written."""

    spool_bytes: int
    free_bytes: int
    """So many are to stay free on the disk of the data folder."""


class Room(Struct, frozen=True, kw_only=True):
    """What may still be begun. Records of calls that go on are written whatever this says."""

    recordings: bool
    calls: bool


def spool(load: SpoolLoad, bounds: StorageBounds, now: datetime, *, database_answers: bool) -> Dependency:
    """`down`: no further call is taken, so that no record is lost."""
    oldest_s = None if load.oldest_at is None else max(0.0, round((now - load.oldest_at).total_seconds(), 1))
    share = load.used_bytes / bounds.spool_bytes
    state, problem = "ok", None
    if load.in_memory:
        state = "down"
        problem = (
            f"the disk does not take {load.in_memory} records, which are kept in memory: no further call is taken; "
            "free the disk of ATENDE_DATA_DIR, or mend it"
        )
    elif share >= 1:
        state = "down"
        problem = (
            f"{load.used_bytes // MB} MB of {bounds.spool_bytes // MB} MB are used: no further call is taken; "
            "bring the database back, or raise ATENDE_SPOOL_MAX_MB"
        )
    elif share >= ALARM_SHARE:
        state = "degraded"
        problem = (
            f"{load.used_bytes // MB} MB of {bounds.spool_bytes // MB} MB are used: calls are not recorded, and at the "
            "bound not taken any more; bring the database back, or raise ATENDE_SPOOL_MAX_MB"
        )
    elif database_answers and oldest_s is not None and oldest_s >= OLD_S:
        state = "degraded"
        problem = f"an entry has waited for {oldest_s:.0f} s though the database answers: the log says why"
    return Dependency(
        name="spool",
        state=state,  # type: ignore[arg-type]
        problem=problem,
        waiting=load.waiting + load.in_memory,
        oldest_s=oldest_s,
        used_bytes=load.used_bytes,
        bound_bytes=bounds.spool_bytes,
    )


def disk(free_bytes: int, bounds: StorageBounds) -> Dependency:
    """`down`: no further call is taken."""
    state: State = "ok"
    problem = None
    told = f"{free_bytes // MB} MB are free on the disk of ATENDE_DATA_DIR"
    if free_bytes < bounds.free_bytes:
        state = "down"
        problem = f"{told}: no further call is taken; free some, or lower ATENDE_DISK_MIN_FREE_MB"
    elif free_bytes < LOW_TIMES * bounds.free_bytes:
        state = "degraded"
        problem = (
            f"{told}: calls are not recorded, and below {bounds.free_bytes // MB} MB not taken; free some, or lower "
            "ATENDE_DISK_MIN_FREE_MB"
        )
    return Dependency(name="disk", state=state, problem=problem, free_bytes=free_bytes, bound_bytes=bounds.free_bytes)


def database(away_since: datetime | None) -> Dependency:
    """Away it is only degraded: calls of tenants that are loaded are answered without it."""
    if away_since is None:
        return Dependency(name="database", state="ok")
    problem = (
        "it does not answer: calls of companies that are loaded are answered and their records wait in the spool, "
        "nothing can be changed and no former call be looked up; see its server, or postgres.log in ATENDE_DATA_DIR"
    )
    return Dependency(name="database", state="degraded", problem=problem, since=away_since)


def models(weight_mb: float, failed: int) -> Dependency:
    """`failed`: tenants of which nothing answers."""
    problem = None
    if failed:
        problem = f"of {failed} companies nothing answers: `tenants` says why, to who asks with a key of the platform"
    return Dependency(
        name="models", state="degraded" if failed else "ok", problem=problem, used_bytes=round(weight_mb * MB)
    )


def model_server(*, away: bool) -> Dependency:
    """`down`: no call of an assistant that needs it is taken."""
    problem = None
    if away:
        problem = (
            "it does not answer: live calls wait for it, and no other is taken by an assistant that needs it; see the "
            "log of models-0, or ATENDE_MODELS_URL"
        )
    return Dependency(name="model server", state="down" if away else "ok", problem=problem)


def phone_door(live_calls: int, max_calls: int, *, draining: bool) -> Dependency:
    """`down` while the service is being stopped."""
    state: State = "ok"
    problem = None
    if draining:
        state, problem = "down", "it is being stopped: live calls end, no other is taken"
    elif live_calls >= max_calls:
        state, problem = "degraded", "as many calls as may be: others are told that we are busy; see ATENDE_MAX_CALLS"
    return Dependency(name="phone door", state=state, problem=problem, live_calls=live_calls, max_calls=max_calls)


def media_clock(late: Lateness) -> Dependency:
    """Late beats are gaps that callers hear."""
    slow = late.count > 0 and late.p99_ms > LATE_MS
    problem = None
    if slow:
        problem = f"it is {late.p99_ms:.0f} ms late: callers hear gaps; take fewer calls here (ATENDE_MAX_CALLS)"
    return Dependency(
        name="media clock", state="degraded" if slow else "ok", problem=problem, late_p99_ms=round(late.p99_ms, 1)
    )


def jobs(loads: Collection[KindLoad]) -> Dependency:
    """Calls do not need them: at worst what was said is kept for longer than it should be."""
    oldest = max(loads, key=lambda one: one.oldest_s, default=None)
    failing = sorted({one.kind for one in loads if one.failing})
    problem = None
    if oldest is not None and oldest.oldest_s >= STUCK_S:
        where = f" on {oldest.node}" if oldest.node else ""
        problem = (
            f"{oldest.kind}{where} has waited for {oldest.oldest_s:.0f} s: does its node run, or any process that does "
            "jobs? `processes` and `atende jobs` tell"
        )
    elif failing:
        problem = f"{', '.join(failing)} failed again and again and is tried again: `atende jobs` says why"
    return Dependency(
        name="jobs",
        state="ok" if problem is None else "degraded",
        problem=problem,
        waiting=sum(one.waiting for one in loads),
        oldest_s=0.0 if oldest is None else oldest.oldest_s,
    )


def room(*stored_on: Dependency) -> Room:
    """By how the spool and the disk fare."""
    return Room(
        recordings=all(one.state == "ok" for one in stored_on), calls=all(one.state != "down" for one in stored_on)
    )
