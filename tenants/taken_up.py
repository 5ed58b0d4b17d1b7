"""Revisions as a process has them that takes up what others have stored."""

from base.ids import TenantId
from pipelines.supervisor import Swap
from tenants.revisions import RaceLostError, RevisionRow, RevisionStore, TenantRow


class TakenUp:
    """It stores nothing, not even by mistake."""

    def __init__(self, revisions: RevisionStore) -> None:
        self.current = revisions.current
        self.get = revisions.get
        self.list = revisions.list

    async def put(
        self,
        tenant_id: TenantId,
        tenant: TenantRow,
        digest: str,
        document: bytes,
        number: int | None = None,
        *,
        on_trial: bool = False,
        swap: Swap = "turn",
    ) -> RevisionRow:
        """The newest, which this is to be. Raises RaceLostError when it is another one by now."""
        newest = await self.current(tenant_id)
        if newest is None or newest.digest != digest:
            raise RaceLostError(number or 0)
        return newest
