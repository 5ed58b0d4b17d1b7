"""Changes by way of the API are written down before they are made, and again when they have ended."""

import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from base.ids import TenantId
from control.api.access import Principal
from control.service import Service
from tenants.audit import NOTHING, Action, Actor, State
from tenants.auditing import Result, audited


@asynccontextmanager
async def change(
    running: Service,
    asker: Principal,
    tenant_id: TenantId | None,
    action: Action,
    object: str = "",  # noqa: A002 (as in tenants.audit.Change)
    *,
    before: State = NOTHING,
) -> AsyncIterator[Result]:
    """The change is made in the block. Raises AuditUnavailableError before anything is done."""
    actor = Actor(kind="key", id=asker.key_id, role=asker.role, address=asker.address, request_id=str(uuid.uuid4()))
    async with audited(running.audit, running.clock, tenant_id, actor, action, object, before=before) as result:
        yield result
