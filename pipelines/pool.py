"""Prepared things, shared by all revisions that ask for the same ones.

Closing order: the last release closes the thing; `close` waits for closings that are under way.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import structlog
from msgspec import Struct

from base.ids import TenantId
from processors.factory import PrepareError, Weight

log = structlog.get_logger()


class ResourceKey(Struct, frozen=True):
    """What makes two prepared things the same. `tenant_id` is None for what tenants share."""

    use: str
    config_digest: str
    tenant_id: TenantId | None
    secrets: tuple[tuple[str, int], ...] = ()
    """The tenant's that it is made with, each with its version: with another one it is another thing."""


Prepare = Callable[[], Awaitable[Any]]
Close = Callable[[Any], Awaitable[None] | None]


@dataclass(eq=False)
class _Resource:
    key: ResourceKey
    making: asyncio.Task[Any]
    close: Close
    weight: Weight | None = None
    users: int = 0


@dataclass(eq=False)
class Held:
    """One user's hold on a resource. `release` may be called more than once."""

    value: Any
    _resource: _Resource
    _pool: "ResourcePool"
    _released: bool = field(default=False)

    @property
    def key(self) -> ResourceKey:
        """What it is."""
        return self._resource.key

    @property
    def users(self) -> int:
        """How many hold the same thing."""
        return self._resource.users

    def release(self) -> "asyncio.Future[None]":
        """Let go, now, whether or not the result is awaited: it is done when the thing is closed.

        Whoever lets go of several things does so without a pause in which a cancellation could come.
        """
        if self._released:
            return _done()
        self._released = True
        return self._pool.let_go(self._resource)


class ResourcePool:
    """Prepares each resource once however many ask at the same time, and closes it after its last user.

    A failed prepare is told to those who wait for it and then forgotten: the next one tries again.
    """

    def __init__(self, *, close_timeout_s: float = 10.0) -> None:
        """What is given up, and what is closed, has this long to end; nobody waits for it longer."""
        self._close_timeout_s = close_timeout_s
        self._resources: dict[ResourceKey, _Resource] = {}
        self._ending: set[asyncio.Task[None]] = set()

    def __len__(self) -> int:
        return len(self._resources)

    @property
    def weight_mb(self) -> float:
        """Of everything that is prepared or being prepared; what is shared by name is counted once."""
        weights = {resource.weight.name: resource.weight.mb for resource in self._resources.values() if resource.weight}
        return sum(weights.values())

    async def hold(self, key: ResourceKey, prepare: Prepare, close: Close, *, weight: Weight | None = None) -> Held:
        """The resource of that key, prepared now if nobody has it. Raises what `prepare` raises.

        `weight` is the memory that it takes, as far as that is known.
        """
        resource = self._resources.get(key)
        if resource is None:
            making = asyncio.create_task(_make(prepare), name=f"prepare {key.use}")
            resource = self._resources[key] = _Resource(key, making, close, weight)
        resource.users += 1
        try:
            # Shielded: one load that is given up must not spoil the others that wait for the same thing.
            value = await asyncio.shield(resource.making)
        except asyncio.CancelledError as error:
            self._give_up(resource)
            if resource.making.cancelled() and not _asked_to_stop():
                # What was cancelled is inside the stage: that is its failure, and nobody's end who waits for it.
                raise PrepareError("preparing was cancelled inside the stage") from error
            raise
        except BaseException:
            self._give_up(resource)
            raise
        return Held(value, resource, self)

    def let_go(self, resource: _Resource) -> "asyncio.Future[None]":
        """One user fewer; the last one's result is done when the thing is closed."""
        resource.users -= 1
        if resource.users > 0:
            return _done()
        if self._resources.get(resource.key) is resource:
            del self._resources[resource.key]
        # Shielded: who waits may be cancelled while the thing closes.
        return asyncio.shield(self._later(resource))

    async def close(self) -> None:
        """Wait for closings that are under way. Whoever still holds something keeps it."""
        while self._ending:
            await asyncio.wait(set(self._ending))

    def _give_up(self, resource: _Resource) -> None:
        """A user who never got it: prepare failed, or its load was cancelled."""
        resource.users -= 1
        if self._resources.get(resource.key) is resource and (resource.users == 0 or _failed(resource.making)):
            del self._resources[resource.key]
        if resource.users == 0:
            self._later(resource)

    def _later(self, resource: _Resource) -> asyncio.Task[None]:
        task = asyncio.create_task(self._dispose(resource), name=f"close {resource.key.use}")
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)
        return task

    async def _dispose(self, resource: _Resource) -> None:
        resource.making.cancel()  # Does nothing when it is done.
        if not await self._ends(resource, resource.making, "a stage does not give up getting ready"):
            # What it makes after all is closed then.
            resource.making.add_done_callback(lambda making: None if _failed(making) else self._later(resource))
            return
        if _failed(resource.making):
            return
        try:
            closing = resource.close(resource.making.result())
            if closing is not None:
                ended = asyncio.ensure_future(closing)
                if await self._ends(resource, ended, "a stage does not close"):
                    ended.result()
                else:
                    ended.cancel()
                    ended.add_done_callback(_failed)
        except (Exception, asyncio.CancelledError) as error:
            if _asked_to_stop():
                raise
            # A stage's own bug; closing the others must go on.
            log.warning("a stage failed to close", stage=resource.key.use, error=repr(error))

    async def _ends(self, resource: _Resource, work: "asyncio.Future[Any]", if_not: str) -> bool:
        """Whether it has ended, well or badly, within the time that it has; told if not."""
        done, _ = await asyncio.wait({work}, timeout=self._close_timeout_s)
        if not done:
            key = resource.key
            log.error(
                if_not, stage=key.use, config=key.config_digest, tenant=key.tenant_id, waited_s=self._close_timeout_s
            )
        return bool(done)


def _failed(making: "asyncio.Future[Any]") -> bool:
    """Also marks the exception as seen."""
    return making.done() and (making.cancelled() or making.exception() is not None)


def _asked_to_stop() -> bool:
    """Whether the task that runs now is itself being cancelled."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def _done() -> "asyncio.Future[None]":
    future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    future.set_result(None)
    return future


async def _make(prepare: Prepare) -> Any:
    return await prepare()
