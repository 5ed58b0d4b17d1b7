"""A numbered, immutable version of a tenant's whole document, as the pipelines need it."""

from msgspec import Struct

from base.ids import TenantId
from pipelines.spec import AssistantSpec


class Keeps(Struct, frozen=True, kw_only=True):
    """What of calls may be stored at all."""

    words: bool = True
    recordings: bool = True


class PipelineRevision(Struct, frozen=True, kw_only=True):
    """What the supervisor loads. `digest` is the SHA-256 of the document's bytes, in hex."""

    tenant_id: TenantId
    slug: str
    company: str
    language: str
    number: int
    digest: str
    assistants: tuple[AssistantSpec, ...]
    keeps: Keeps = Keeps()
