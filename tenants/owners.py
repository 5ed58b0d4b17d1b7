"""Which file of a folder speaks for which tenant."""

from pathlib import Path

from base.ids import TenantId
from tenants.document import TenantDocument
from tenants.known_files import KnownFiles
from tenants.placing import placed_at
from tenants.statuses import Statuses, TenantStatus
from tenants.texts import Texts


class Owners:
    """One file for each tenant; of two that name the same the one that was there first."""

    def __init__(self, statuses: Statuses, known: KnownFiles, texts: Texts) -> None:
        self._statuses = statuses
        self._known = known
        self._texts = texts
        self._of: dict[TenantId, Path] = {}
        self._put: dict[Path, str] = {}
        """The digest of the text that was put in a file's place last."""

    def get(self, tenant_id: TenantId) -> Path | None:
        """The file that speaks for the tenant."""
        return self._of.get(tenant_id)

    def set(self, tenant_id: TenantId, file: Path) -> None:
        """It does from now on."""
        self._of[tenant_id] = file

    def pop(self, tenant_id: TenantId) -> None:
        """None does. Idempotent."""
        self._of.pop(tenant_id, None)

    def claim(self, document: TenantDocument) -> bool:
        """Whether the file may speak for its tenant: no other one does, or the other is gone. Its status says so."""
        file, spec = Path(document.file), document.spec
        owner = self._of.get(spec.tenant_id)
        if owner is not None and owner != file and self._texts.is_there(owner):
            told = str(placed_at(document, "$.id", f"another file has the tenant id {spec.tenant_id}: {owner}"))
            self._statuses.failed(file, (told,), slug=spec.slug, tenant_id=spec.tenant_id)
            return False
        if owner is not None and owner != file:
            self._statuses.pop(owner)  # the file was given another name
        self._of[spec.tenant_id] = file
        return True

    def file_of(self, tenant_id: TenantId) -> Path | None:
        """The tenant's file, also one that cannot be used now and of which nothing answers."""
        known = (file for file in self._statuses.files if self._known.tenant_of(file) == tenant_id)
        return self._of.get(tenant_id) or next(known, None)

    def status_of(self, file: Path) -> TenantStatus | None:
        """How it fared; None when it was not looked at."""
        return self._statuses.get(file)

    def put(self, file: Path, digest: str) -> None:
        """What the file says was put there by an operator, and answers."""
        self._put[file] = digest

    async def overtaken(self, document: TenantDocument) -> bool:
        """Whether something else was put in the place of what was read of the file, or stood in for it."""
        file = Path(document.file)
        put = self._put.get(file, document.digest)
        return put != document.digest and await self._texts.digest(file) == put
