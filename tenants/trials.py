"""What answers beside a document that is on trial, in a process that starts with it: what stood before."""

from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

import structlog

from pipelines.problems import SpecError
from processors.factory import PrepareError
from tenants.directory import Directory
from tenants.document import TenantDocument, to_revision
from tenants.errors import DocumentError
from tenants.publishing import Supervisor, entry_of
from tenants.revisions import RevisionStore

L = TypeVar("L")

MAX_LOOKED_AT: Final = 100
"""Stored documents, the newest first; who tried so many in a row has none that stood."""

log = structlog.get_logger()


async def let_former_stand(
    document: TenantDocument,
    revisions: RevisionStore,
    supervisor: Supervisor[L],
    directory: Directory,
    read: Callable[[bytes], Awaitable[TenantDocument]],
) -> None:
    """For a document on trial beside which nothing answers: the newest stored one without a `canary` does.

    Nothing happens where there is none, or where that one is not enabled. Raises PrepareError, NumberConflictError when
    it cannot answer.
    """
    spec = document.spec
    if spec.canary is None or not spec.enabled or supervisor.answers(spec.tenant_id):
        return
    newest = await revisions.current(spec.tenant_id)
    last = newest.number if newest is not None else 0
    for number in range(last, max(0, last - MAX_LOOKED_AT), -1):
        row = await revisions.get(spec.tenant_id, number)
        if row is None:
            continue
        try:
            former = await read(row.document)
            if former.spec.canary is not None:
                continue
            if not former.spec.enabled:
                break
            entry = entry_of(former, number)
            directory.admit(entry)
            supervisor.activate(await supervisor.load(to_revision(former.spec, number, row.digest)))
        except (DocumentError, SpecError, PrepareError) as error:
            raise PrepareError(f"revision {number}, beside which it is tried, cannot answer: {error}") from error
        directory.replace(entry)
        return
    log.warning("nothing stood before what is on trial: it answers alone", tenant=spec.tenant_id)
