"""What every handler may ask for by its name: who asks, and the running service."""

from typing import Annotated, Any
from uuid import UUID

from litestar import Request
from litestar.di import NamedDependency
from litestar.params import PathParameter, QueryParameter, SkipValidation

from control.api.access import Principal
from control.service import Service

Asker = NamedDependency[SkipValidation[Principal]]
Running = NamedDependency[SkipValidation[Service]]
TenantPath = Annotated[UUID, PathParameter(description="The tenant's `domain_uuid`.")]
CallPath = Annotated[UUID, PathParameter(description="The call's id.")]
DomainUuid = Annotated[
    UUID | None,
    QueryParameter(description="The tenant. A tenant's key may leave it out; another tenant's is not found."),
]


def asker(request: Request[Any, Any, Any]) -> Principal:
    """Dependency `asker`."""
    found = request.user
    assert isinstance(found, Principal)
    return found
