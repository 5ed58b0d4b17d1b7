"""A secret has changed: what answers gets the new value, and what was refused for want of one is read again.

Whoever keeps a value, a command or another process too, is followed. Nothing of it holds up a call.
"""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final, Generic, Protocol, TypeVar

import structlog

from base.ids import TenantId
from base.tasks import given_up
from pipelines.problems import SpecError
from pipelines.supervisor import Swap
from processors.factory import PrepareError
from tenants.folder import TenantFolder
from tenants.known_files import written_id
from tenants.retries import pause_after
from tenants.secret_rows import SecretsUnavailableError
from tenants.secrets import TenantSecrets

L = TypeVar("L")

FOLLOW_S: Final = 1.0
"""So often it is asked what others have kept."""

log = structlog.get_logger()


class Renewing(Protocol[L]):
    """What is asked of the pipelines."""

    def answers(self, tenant_id: TenantId) -> bool: ...

    def secrets(self, tenant_id: TenantId) -> frozenset[tuple[str, int]]:
        """With which versions what answers was made."""
        ...

    async def load_again(self, tenant_id: TenantId) -> Sequence[L]:
        """Raises SpecError or PrepareError."""
        ...

    def exchange(self, tenant_id: TenantId, again: Sequence[L], *, swap: Swap) -> None: ...

    async def discard(self, loaded: L) -> None: ...


class SecretRenewal(Generic[L]):
    """For a folder's tenants. `follow` begins it; `close` ends it."""

    def __init__(
        self, secrets: TenantSecrets, tenants: TenantFolder[L], supervisor: Renewing[L], *, swap: Swap = "turn"
    ) -> None:
        """`swap` is for the live calls of a tenant whose secret has changed."""
        self._secrets = secrets
        self._tenants = tenants
        self._supervisor = supervisor
        self._swap: Swap = swap
        self._problems: dict[TenantId, str] = {}
        self._renewing: dict[TenantId, tuple[asyncio.Task[None], asyncio.Event]] = {}
        """With what wakes each."""
        self._following: asyncio.Task[None] | None = None

    @property
    def problems(self) -> Mapping[TenantId, str]:
        """Of tenants that go on with a former value, why."""
        return self._problems

    def follow(self) -> None:
        """From now on what others keep reaches the stages, too."""
        self._following = asyncio.create_task(self._follow(), name="follow secrets")

    async def close(self) -> None:
        """Nothing is changed any more. Idempotent."""
        renewing = [task for task, _ in self._renewing.values()]
        await given_up([*renewing, *([] if self._following is None else [self._following])])

    def renew(self, tenant_id: TenantId) -> None:
        """Behind: what answers gets the values that count, and what was refused for want of one is read again."""
        if (renewing := self._renewing.get(tenant_id)) is not None:
            renewing[1].set()  # it looks once more
            return
        wake = asyncio.Event()
        task = asyncio.create_task(self._renewed(tenant_id, wake), name=f"renew {tenant_id}")
        self._renewing[tenant_id] = (task, wake)

    async def refused_files(self, tenant_id: TenantId) -> Sequence[Path]:
        """The tenant's files with which something is wrong."""
        wrong = [(Path(one.file), one.tenant_id) for one in self._tenants.unsettled() if one.problems]
        nobodys = [file for file, owner in wrong if owner is None]
        own = [file for file, owner in wrong if owner == tenant_id]
        if nobodys:
            own += await asyncio.to_thread(lambda: [file for file in nobodys if written_id(file) == tenant_id])
        return own

    async def _follow(self) -> None:
        away = False
        while True:
            try:
                for tenant_id in await self._secrets.follow():
                    self.renew(tenant_id)
                away = False
            except SecretsUnavailableError as error:
                if not away:
                    log.warning("secrets are not followed: what others set is not seen", error=str(error))
                away = True
            except Exception as error:
                # The service's own mistake: the calls go on, and the next look may do better.
                log.exception("secrets could not be followed", error=repr(error))
            await asyncio.sleep(FOLLOW_S)

    async def _renewed(self, tenant_id: TenantId, wake: asyncio.Event) -> None:
        failures, again = 0, True
        try:
            while again or wake.is_set():
                wake.clear()
                told = await self._exchanged(tenant_id)
                again = told is not None
                if told is None:
                    failures = 0
                    self._problems.pop(tenant_id, None)
                    if files := await self.refused_files(tenant_id):
                        await self._tenants.refresh(files)
                    continue
                failures += 1
                self._problems[tenant_id] = told
                log.error("what answers goes on with a former secret", tenant=tenant_id, problem=told)
                with suppress(TimeoutError):
                    async with asyncio.timeout(pause_after(failures)):
                        await wake.wait()
        except Exception as error:
            # The service's own mistake, or a database that went: what answers goes on, the next change tries again.
            log.exception("a tenant's secrets could not be renewed", tenant=tenant_id, error=repr(error))
        finally:
            # In the step in which nothing more was asked of it: who asks now begins another.
            del self._renewing[tenant_id]

    async def _exchanged(self, tenant_id: TenantId) -> str | None:
        """What answers has the values that count; or why not."""
        async with self._tenants.locks[tenant_id]:
            used = self._supervisor.secrets(tenant_id)
            if all(self._secrets.version(tenant_id, name) == version for name, version in used):
                return None
            try:
                again = await self._supervisor.load_again(tenant_id)
            except (SpecError, PrepareError) as error:
                return f"a secret has changed, and what answers cannot be made ready with it: {error}"
            self._supervisor.exchange(tenant_id, again, swap=self._swap)
        return None
