"""Which tenant and which assistant answer a number.

Holds one immutable entry per tenant; publishing a document replaces that tenant's entry in one
assignment, so a call that looks up meanwhile sees the old or the new whole, never a mixture.
"""

from collections.abc import Iterable, Mapping
from types import MappingProxyType

from msgspec import Struct

from base.ids import AssistantName, TenantId
from pipelines.spec import AssistantSpec


class TenantUnknownError(LookupError):
    """No such tenant answers here."""


class NumberUnknownError(LookupError):
    """The tenant has no assistant for that number."""


class NumberConflictError(ValueError):
    """Two assistants of one tenant claim a number, or two tenants claim a slug or a domain: `field` says which."""

    def __init__(self, message: str, field: str = "assistants") -> None:
        self.field = field
        super().__init__(message)


class TenantEntry(Struct, frozen=True, kw_only=True):
    """One tenant as the door sees it."""

    tenant_id: TenantId
    slug: str
    domain: str
    revision: int
    enabled: bool
    numbers: Mapping[str, AssistantName]
    switch: str | None = None
    """The one from which its calls come; None: any."""
    secretaries: Mapping[str, AssistantName] = {}
    """Assistants by their UUIDs, where they have one."""
    time_zone: str = "UTC"
    """IANA name: what a day is."""
    daily_minutes: Mapping[AssistantName, int] = {}
    """How long the calls of a day may be in all, of assistants that have a limit."""
    daily_cost: Mapping[AssistantName, float] = {}
    """What they may cost in all, in US dollars, of assistants that have such a limit."""


class Destination(Struct, frozen=True, kw_only=True):
    """Who is to answer a call."""

    tenant: TenantEntry
    assistant: AssistantName


def numbers_of(assistants: Iterable[AssistantSpec]) -> Mapping[str, AssistantName]:
    """Number to assistant. Raises NumberConflictError that names both claimants."""
    owners: dict[str, AssistantName] = {}
    for assistant in assistants:
        for number in assistant.numbers:
            owner = owners.setdefault(number, assistant.key)
            if owner != assistant.key:
                raise NumberConflictError(f"number {number} is claimed by {owner} and {assistant.key}")
    return MappingProxyType(owners)


class Directory:
    """All tenants that answer in this process."""

    def __init__(self) -> None:
        self._entries: Mapping[TenantId, TenantEntry] = {}
        self._slugs: dict[str, TenantId] = {}
        self._domains: dict[str, TenantId] = {}
        self._sorted: list[TenantEntry] | None = None

    def admit(self, entry: TenantEntry) -> None:
        """Raises NumberConflictError when another tenant has this one's slug, or its domain: whose telephones ring is
        decided by that.
        """
        owner = self._slugs.get(entry.slug, entry.tenant_id)
        if owner != entry.tenant_id:
            raise NumberConflictError(f"the slug {entry.slug} belongs to tenant {owner}", "slug")
        owner = self._domains.get(entry.domain.lower(), entry.tenant_id)
        if owner != entry.tenant_id:
            told = f"the domain {entry.domain} belongs to tenant {self._entries[owner].slug}"
            raise NumberConflictError(told, "domain")

    def replace(self, entry: TenantEntry) -> None:
        """Put one tenant's entry in place of its former one. Raises NumberConflictError as `admit` does."""
        self.admit(entry)
        self._forget(entry.tenant_id)
        self._slugs[entry.slug] = self._domains[entry.domain.lower()] = entry.tenant_id
        self._entries = {**self._entries, entry.tenant_id: entry}
        self._sorted = None

    def remove(self, tenant_id: TenantId) -> None:
        """Answer no more calls for that tenant. Idempotent."""
        self._forget(tenant_id)
        self._entries = {key: entry for key, entry in self._entries.items() if key != tenant_id}
        self._sorted = None

    def _forget(self, tenant_id: TenantId) -> None:
        """What a tenant had is free for others."""
        if (entry := self._entries.get(tenant_id)) is not None:
            self._slugs.pop(entry.slug, None)
            self._domains.pop(entry.domain.lower(), None)

    def find(self, tenant_id: TenantId, number: str) -> Destination:
        """Who answers. Raises TenantUnknownError (also for a disabled tenant) or NumberUnknownError."""
        entry = self.tenant(tenant_id)
        assistant = entry.numbers.get(number)
        if not entry.enabled:
            raise TenantUnknownError("the tenant is disabled")
        if assistant is None:
            raise NumberUnknownError("no assistant of the tenant answers that number")
        return Destination(tenant=entry, assistant=assistant)

    def tenant(self, tenant_id: TenantId) -> TenantEntry:
        """One tenant's entry. Raises TenantUnknownError."""
        entry = self._entries.get(tenant_id)
        if entry is None:
            raise TenantUnknownError("no such tenant")
        return entry

    def secretary(self, tenant_id: TenantId, uuid: str) -> AssistantName | None:
        """The tenant's assistant of that UUID."""
        entry = self._entries.get(tenant_id)
        return None if entry is None else entry.secretaries.get(uuid)

    def by_slug(self, slug: str) -> TenantEntry:
        """One tenant's entry. Raises TenantUnknownError that names the slugs there are."""
        for entry in self._entries.values():
            if entry.slug == slug:
                return entry
        known = ", ".join(sorted(entry.slug for entry in self._entries.values())) or "none"
        raise TenantUnknownError(f"no tenant is called {slug!r}; there are: {known}")

    def tenants(self) -> list[TenantEntry]:
        """All entries, by slug."""
        if self._sorted is None:
            self._sorted = sorted(self._entries.values(), key=lambda entry: entry.slug)
        return list(self._sorted)

    def get(self, tenant_id: TenantId) -> TenantEntry | None:
        """One tenant's entry, where there is one."""
        return self._entries.get(tenant_id)

    @property
    def count(self) -> int:
        """How many tenants answer."""
        return len(self._entries)

    @property
    def empty(self) -> bool:
        """Whether nobody is answered."""
        return not self._entries
