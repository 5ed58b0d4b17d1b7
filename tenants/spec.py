"""A tenant's document: one company, its assistants and what they may look up."""

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct, field

from base.ids import TenantId
from pipelines.outcomes import CanarySpec
from pipelines.spec import AssistantSpec, Slug, Uuid
from pipelines.spec_desk import KEPT, DestinationSpec, Domain, HoursSpec, MenuSpec
from tenants.spec_outward import ToolsSpec, WebhookSpec

Title = Annotated[
    str,
    Meta(
        pattern=r"^[^\x00-\x1f\x7f\ud800-\udfff]{1,100}\Z",
        description="a name of 1 to 100 characters in one line",
    ),
]


class ProviderSpec(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A stage with its settings under a name, which pipelines `use`."""

    name: Slug
    """By which pipelines `use` it."""
    use: str
    """A stage of the catalog such as `llm.openai`."""
    config: dict[str, Any] = field(default_factory=dict)
    """The stage's settings, see there. A credential is `{secret: name}`, a private endpoint `{endpoint: name}`."""


class CollectionSpec(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A set of documents."""

    name: Slug
    """Of the folder that holds the documents."""
    assistants: tuple[Slug, ...] = ()
    """Which assistants may look things up in it; all when empty."""


class ChunkingSpec(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How documents are cut into passages."""

    max_chars: Annotated[int, Meta(ge=200, le=4000)] = 1200
    """Of a passage."""
    overlap_chars: Annotated[int, Meta(ge=0, le=1000)] = 100
    """That a passage has in common with the one before."""


class KnowledgeSpec(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How the documents of the tenant are searched; a `rag.retrieve` stage's own config goes before it."""

    top_k: Annotated[int, Meta(ge=1, le=20)] = 4
    """Passages that the mind is given at most."""
    min_score: Annotated[float, Meta(ge=0.0, le=1.0)] | None = None
    """Absent: the stage's own."""
    collections: Annotated[tuple[CollectionSpec, ...], Meta(max_length=100), KEPT] = ()
    embedder: Annotated[Literal["builtin"], KEPT] = "builtin"
    """What makes vectors of passages; there is one so far."""
    chunking: Annotated[ChunkingSpec, KEPT] = ChunkingSpec()


class RetentionSpec(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How long what was said is kept, and what of it."""

    transcripts_days: Annotated[int, Meta(ge=0, le=3650)] = 90
    """For so many whole days (UTC) after that of the call; then its record keeps figures alone. 0: none are stored."""
    recordings_days: Annotated[int, Meta(ge=0, le=3650)] = 90
    """For so many whole days (UTC) after that of the call. 0: nothing is recorded."""
    redact: Annotated[tuple[Literal["cards", "documents", "emails", "numbers"], ...], KEPT] = ()
    """What is blacked out before it is stored."""
    recording_consent: Annotated[Literal["none", "announce", "ask"], KEPT] = "none"
    """Whether the caller is told, or asked, before anything is recorded."""


class TenantSpec(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One company on the PBX."""

    slug: Slug
    """The tenant's readable name: in file names, logs and commands."""
    id: Uuid
    """The `domain_uuid` of FusionPBX: the key of everything that is stored."""
    domain: Domain
    """The SIP realm, which is the dialplan context too."""
    switch: Slug | None = None
    """The PBX from which its calls come, by its name in the server's settings; absent: any."""
    name: Title
    """As the assistants say it."""
    language: str = "pt-BR"
    """BCP 47 tag of the assistants that have none of their own: `pt-BR`, `en`, `es`."""
    time_zone: str = "America/Sao_Paulo"
    """IANA name; `hours` are read in it."""
    enabled: bool = True
    """Whether its calls are answered; a document that is not enabled is stored and not loaded."""
    canary: CanarySpec | None = None
    """With it the document is tried on some callers, beside what answered before; without, it answers everybody."""
    assistants: Annotated[tuple[AssistantSpec, ...], Meta(min_length=1, max_length=100)]
    knowledge: KnowledgeSpec = KnowledgeSpec()
    providers: Annotated[tuple[ProviderSpec, ...], Meta(max_length=50)] = ()
    """Stages under names. Nothing acts on their order yet: it is to be the order of fail-over among equal kinds."""
    destinations: Annotated[tuple[DestinationSpec, ...], Meta(max_length=500), KEPT] = ()
    hours: Annotated[tuple[HoursSpec, ...], Meta(max_length=50), KEPT] = ()
    menus: Annotated[tuple[MenuSpec, ...], Meta(max_length=50), KEPT] = ()
    tools: Annotated[ToolsSpec, KEPT] = ToolsSpec()
    webhooks: Annotated[tuple[WebhookSpec, ...], Meta(max_length=20), KEPT] = ()
    retention: RetentionSpec = RetentionSpec()

    @property
    def tenant_id(self) -> TenantId:
        """The id in canonical form."""
        return TenantId(self.id.lower())
