"""Which revision answers a tenant's next call: the one that stands, or one that is on trial. Pure."""

import hashlib
from typing import Final

from msgspec import Struct

from base.ids import AssistantName, CallId
from pipelines.loaded import LoadedPipeline, LoadedRevision
from pipelines.outcomes import CanaryPolicy

PLACES: Final = 10_000
"""Callers are spread over so many places: a share is counted in hundredths of a per cent."""
NO_NUMBER: Final = frozenset({"anonymous", "unknown", "unavailable", "private", "restricted", "withheld"})
"""What stands in the place of a number that is withheld or not known, in whatever case."""


class Route(Struct, frozen=True):
    """Which pipeline an assistant's next call gets."""

    loaded: LoadedRevision
    pipeline: LoadedPipeline


class Canary(Struct, frozen=True):
    """A revision on trial. `salt` decides which callers get it."""

    loaded: LoadedRevision
    policy: CanaryPolicy
    salt: str

    def gets(self, assistant: AssistantName, caller: str) -> bool:
        """Whether this caller of an assistant is among those on whom it is tried."""
        return place(self.salt, caller) < self.policy.share_of(assistant) * PLACES / 100


class TenantRoutes(Struct, frozen=True):
    """What answers for a tenant. Never changed, only replaced."""

    stable: LoadedRevision
    canary: Canary | None = None

    @property
    def revisions(self) -> tuple[LoadedRevision, ...]:
        """All that answer, the one that stands first."""
        return (self.stable,) if self.canary is None else (self.stable, self.canary.loaded)

    @property
    def numbers(self) -> tuple[int, ...]:
        """Of all that answer."""
        return tuple(loaded.revision.number for loaded in self.revisions)

    def follower_of(self, former: LoadedRevision) -> LoadedRevision:
        """With which the calls of one that answers no more go on: the same revision, loaded again, or what stands."""
        same = (one for one in self.revisions if one.revision is former.revision)
        return next(same, self.stable)

    def route(self, assistant: AssistantName, caller: str) -> Route | None:
        """Who answers this caller; None where there is no such assistant.

        A caller gets the same answer as long as the trial lasts. An assistant that is new in the revision on trial
        does not answer yet, and one that is gone from it still does.
        """
        stable = self.stable.pipelines.get(assistant)
        if stable is None:
            return None
        tried = self.canary.loaded.pipelines.get(assistant) if self.canary is not None else None
        if self.canary is not None and tried is not None and self.canary.gets(assistant, caller):
            return Route(self.canary.loaded, tried)
        return Route(self.stable, stable)


def caller_key(number: str, call_id: CallId) -> str:
    """By what a caller is told from the others: the number, or where none is shown the call.

    FreeSWITCH has zeros then. So those callers are spread as all are, if each of their calls anew.
    """
    shown = number.strip().casefold()
    return call_id if shown in NO_NUMBER or not shown.strip("+0") else number


def place(salt: str, caller: str) -> int:
    """Where a caller stands among `PLACES`: evenly spread, the same for the same salt, another with the next trial."""
    digest = hashlib.sha256(f"{salt}\0{caller}".encode()).digest()
    return int.from_bytes(digest[:8], "big") % PLACES
