"""What every handler may ask for by its name: who asks, and the running service."""

from contextlib import suppress
from typing import Annotated, Any
from uuid import UUID

from litestar import Request
from litestar.di import NamedDependency
from litestar.params import PathParameter, QueryParameter, SkipValidation

from control.api.access import Principal, own
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
    """Dependency `asker`. Raises the Refusal `not-found` for a `domain_uuid` in the query that is not the key's."""
    found = request.user
    assert isinstance(found, Principal)
    for written in request.query_params.getall("domain_uuid", []):
        with suppress(ValueError):  # where it is a parameter, that is told
            own(found, UUID(written))
    return found
