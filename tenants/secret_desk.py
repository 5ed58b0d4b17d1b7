"""What operators do with a tenant's secrets: put, removed, listed; and how a new value reaches the stages.

A value is tried before it is kept: what answers is made ready with it, beside itself, and then takes its own place. The
document is not touched and its number stays.
"""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from typing import Generic, TypeVar

import structlog
from msgspec import Struct

from base.clock import Clock
from base.ids import TenantId
from base.secret import Secret
from pipelines.problems import SpecError
from pipelines.supervisor import Swap
from processors.factory import PrepareError
from tenants.document import to_revision
from tenants.errors import Located
from tenants.folder import TenantFolder
from tenants.placing import placed
from tenants.publishing import Keeper
from tenants.put import DocumentPuts
from tenants.put_checks import NAME
from tenants.put_errors import NotReadyError
from tenants.secret_renewal import Renewing, SecretRenewal
from tenants.secret_rows import SecretInfo, SecretRow
from tenants.secret_uses import SecretUse, uses_in
from tenants.secrets import TenantSecrets
from tenants.stored_puts import StoredPuts

L = TypeVar("L")

log = structlog.get_logger()


class SecretUnknownError(LookupError):
    """The tenant has no secret of this name."""


class SecretInUseError(Exception):
    """What the tenant's calls are answered with needs it."""

    def __init__(self, name: str, paths: Sequence[str]) -> None:
        super().__init__(f"the secret {name!r} is used: {', '.join(paths)}")


class PutSecret(Struct, frozen=True, kw_only=True):
    """What became of a value; of a dry run what would."""

    info: SecretInfo
    changed: bool
    """False: it is the value that was there, and nothing was touched."""
    tried: bool
    """Whether what answers was made ready with it."""


class ListedSecrets(Struct, frozen=True, kw_only=True):
    """A tenant's secrets, and where its document names them."""

    kept: Sequence[SecretInfo]
    uses: Sequence[SecretUse]

    @property
    def missing(self) -> Sequence[str]:
        """What the document names and nobody has set."""
        kept = {info.name for info in self.kept}
        return sorted({use.name for use in self.uses} - kept)


class SecretDesk(Generic[L]):
    """The secrets of a folder's tenants. What is done behind is `renewal`, which its owner begins and ends."""

    def __init__(
        self,
        secrets: TenantSecrets,
        tenants: TenantFolder[L],
        documents: DocumentPuts[L] | StoredPuts[L],
        supervisor: Renewing[L],
        keeper: Keeper[L],
        clock: Clock,
        *,
        swap: Swap = "turn",
    ) -> None:
        """`swap` is for the live calls of a tenant whose secret has changed."""
        self._secrets = secrets
        self._tenants = tenants
        self._documents = documents
        self._supervisor = supervisor
        self._keeper = keeper
        self._clock = clock
        self._swap: Swap = swap
        self.renewal = SecretRenewal(secrets, tenants, supervisor, swap=swap)
        self._reading = asyncio.Semaphore(1)

    async def listed(self, tenant_id: TenantId) -> ListedSecrets:
        """Raises SecretsUnavailableError."""
        return ListedSecrets(kept=await self._secrets.store.list(tenant_id), uses=await self._uses(tenant_id))

    async def version(self, tenant_id: TenantId, name: str) -> int:
        """Which counts; 0: there is none. Raises SecretsUnavailableError."""
        newest = await self._secrets.store.newest(tenant_id, name)
        return 0 if newest is None or newest.value is None else newest.info.version

    async def history(self, tenant_id: TenantId, name: str, limit: int, before: int | None) -> Sequence[SecretInfo]:
        """Versions, the newest first. Raises SecretUnknownError, SecretsUnavailableError."""
        found = await self._secrets.store.history(tenant_id, name, limit, before)
        if not found and before is None:
            raise SecretUnknownError
        return found

    async def put(
        self,
        tenant_id: TenantId,
        name: str,
        value: Secret,
        *,
        by: str,
        dry_run: bool = False,
        untested: bool = False,
        swap: Swap | None = None,
    ) -> PutSecret:
        """This is the value from now on, for every stage that is prepared, and for what answers.

        A value with which that cannot be made ready is refused, unless it is to be kept `untested`. Raises
        SecretNameError, SecretValueError, NotReadyError, TooManySecretsError, VersionTakenError,
        SecretsUnavailableError.
        """
        async with self._tenants.locks[tenant_id]:
            row, changed = await self._secrets.next(tenant_id, name, value, at=self._clock.now(), by=by)
            if not changed:
                return PutSecret(info=row.info, changed=False, tried=False)
            again, tried = ((), False) if untested else await self._tried(tenant_id, row, value)
            try:
                if not dry_run:
                    await self._secrets.keep(tenant_id, row)
                    self._supervisor.exchange(tenant_id, again, swap=swap or self._swap)
                    again = ()
            finally:
                for one in again:
                    await self._supervisor.discard(one)
        if not dry_run:
            log.info("secret put", tenant=tenant_id, name=name, version=row.info.version, tried=tried)
            self.renewal.renew(tenant_id)
        return PutSecret(info=row.info, changed=True, tried=tried)

    async def remove(self, tenant_id: TenantId, name: str) -> None:
        """Its value is erased. Raises SecretUnknownError, SecretInUseError, SecretsUnavailableError."""
        async with self._tenants.locks[tenant_id]:
            newest = await self._secrets.store.newest(tenant_id, name)
            if newest is None or newest.value is None:
                raise SecretUnknownError
            paths = [use.path for use in await self._uses(tenant_id) if use.name == name]
            if not paths and name in {used for used, _ in self._supervisor.secrets(tenant_id)}:
                paths = ["what answers now"]
            if paths:
                raise SecretInUseError(name, paths)
            if not await self._secrets.remove(tenant_id, name, self._clock.now()):
                raise SecretUnknownError
        log.info("secret removed", tenant=tenant_id, name=name, version=newest.info.version)

    async def _tried(self, tenant_id: TenantId, row: SecretRow, value: Secret) -> tuple[Sequence[L], bool]:
        """What answers, made ready with the value, and whether anything was. Raises NotReadyError."""
        name = row.info.name
        with self._secrets.trying(tenant_id, name, row.info.version, value):
            try:
                if name in {used for used, _ in self._supervisor.secrets(tenant_id)}:
                    return await self._supervisor.load_again(tenant_id), True
                document = self._tenants.waiting(tenant_id)
                if document is None or name not in {use.name for use in await self._in(document.raw)}:
                    return (), False
                revision = to_revision(document.spec, 0, document.digest)
                await self._keeper.discard(await self._keeper.load(revision))
            except (SpecError, PrepareError) as error:
                self._keeper.forget_failure(tenant_id)
                raise NotReadyError(await self._placed(tenant_id, error)) from error
        return (), True

    async def _placed(self, tenant_id: TenantId, error: Exception) -> Sequence[Located]:
        if (document := self._tenants.known(tenant_id)) is None:
            return [Located(file=NAME, line=0, column=0, path="$", message=str(error))]
        return await asyncio.to_thread(placed, document, error)

    async def _uses(self, tenant_id: TenantId) -> Sequence[SecretUse]:
        """What the tenant's text names; of one of which none was ever accepted, what its file does."""
        if (current := await self._documents.current(tenant_id)) is not None:
            return await self._in(current.document)
        for file in await self.renewal.refused_files(tenant_id):
            with suppress(OSError):
                return await self._in(await asyncio.to_thread(file.read_bytes))
        return ()

    async def _in(self, raw: bytes) -> Sequence[SecretUse]:
        async with self._reading:
            return await asyncio.to_thread(uses_in, raw)
