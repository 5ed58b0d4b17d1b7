"""A tenant's document: one company, its assistants and what they may look up."""

from typing import Annotated

from msgspec import Meta, Struct

from base.ids import TenantId
from pipelines.spec import AssistantSpec, Slug, Uuid

Domain = Annotated[
    str,
    Meta(
        pattern=r"^(?=.{1,253}\Z)[A-Za-z0-9]([A-Za-z0-9-]{0,62})(\.[A-Za-z0-9-]{1,63})*\Z",
        description="a domain name such as empresa.example.net, or an IPv4 address",
    ),
]
Title = Annotated[
    str,
    Meta(
        pattern=r"^[^\x00-\x1f\x7f\ud800-\udfff]{1,100}\Z",
        description="a name of 1 to 100 characters in one line",
    ),
]


class KnowledgeSpec(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How the documents of the tenant are searched; a `rag.retrieve` stage's own config goes before it."""

    top_k: Annotated[int, Meta(ge=1, le=20)] = 4
    min_score: Annotated[float, Meta(ge=0.0, le=1.0)] | None = None
    """Absent: the stage's own."""


class TenantSpec(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One company on the PBX."""

    slug: Slug
    id: Uuid
    """The `domain_uuid` of FusionPBX: the key of everything that is stored."""
    domain: Domain
    """The SIP realm, which is the dialplan context too."""
    switch: Slug | None = None
    """The PBX from which its calls come, by its name in the server's settings; absent: any."""
    name: Title
    """As the assistants say it."""
    language: str = "pt-BR"
    time_zone: str = "America/Sao_Paulo"
    enabled: bool = True
    assistants: Annotated[tuple[AssistantSpec, ...], Meta(min_length=1, max_length=100)]
    knowledge: KnowledgeSpec = KnowledgeSpec()

    @property
    def tenant_id(self) -> TenantId:
        """The id in canonical form."""
        return TenantId(self.id.lower())
