"""A call's hold on the revision it runs on, and how it changes over to another while it lives. No tasks, no I/O.

What is offered is held from the offer on, so that it cannot be closed before it is taken; what is taken lets go of
what was there before. A newer offer takes the place of one that was not taken.
"""

from collections.abc import Callable

from pipelines.loaded import LoadedPipeline, LoadedRevision


class Lease:
    """Held by one call, from `PipelineSupervisor.lease` to the end of that block.

    `heed`: set by the call; told when something is offered. Must not block or raise.
    """

    def __init__(self, loaded: LoadedRevision, pipeline: LoadedPipeline) -> None:
        loaded.take()
        self._loaded: LoadedRevision | None = loaded
        self._pipeline = pipeline
        self._next: tuple[LoadedRevision, LoadedPipeline] | None = None
        self._taking: tuple[LoadedRevision, LoadedPipeline] | None = None
        self.heed: Callable[[], None] | None = None
        self.stage_errors = 0
        """That stages of the revision that is held have reported in this call; not of requests that were held back."""
        self.held_requests = 0
        """That were not sent in this call, on whatever it ran, since `limits.provider_rpm` was reached."""
        self.held_last = False
        """Whether the last thing that failed in this call was one of them."""

    @property
    def pipeline(self) -> LoadedPipeline:
        """What the call runs on."""
        return self._pipeline

    @property
    def loaded(self) -> LoadedRevision | None:
        """The revision that is held; None once the lease is over."""
        return self._loaded

    @property
    def offered(self) -> LoadedPipeline | None:
        """What the call is to change over to at the end of a turn."""
        return self._next[1] if self._next is not None else None

    def offer(self, loaded: LoadedRevision, pipeline: LoadedPipeline) -> None:
        """Ask the call to change over. One that has ended is not asked; the same again is nothing new."""
        if self._loaded is None or (self._next is not None and self._next[0] is loaded):
            return
        self.withdraw()
        if self._taking is not None and self._taking[0] is loaded:
            return  # it is being tried already
        if loaded is self._loaded:
            return  # back to what it runs on: nothing is to be done any more
        loaded.take()
        self._next = (loaded, pipeline)
        if self.heed is not None:
            self.heed()

    def withdraw(self) -> None:
        """What is offered, and not tried yet, answers no more: the call is not asked to change over to it."""
        self._drop()

    def take(self) -> LoadedPipeline | None:
        """What is offered, to be tried: `accept` or `decline` follows. None when nothing is offered or one is tried."""
        if self._loaded is None or self._taking is not None or self._next is None:
            return None
        self._taking, self._next = self._next, None
        return self._taking[1]

    def accept(self) -> bool:
        """The call runs on what was taken, and what it ran on is let go; False where nothing is being tried any more.

        What was offered meanwhile stays offered.
        """
        if self._loaded is None or self._taking is None:
            return False
        former, (self._loaded, self._pipeline), self._taking = self._loaded, self._taking, None
        self.stage_errors = 0
        former.give()
        return True

    def decline(self) -> None:
        """What was being tried does not work: it is let go, and the call goes on as it was."""
        if self._taking is not None:
            tried, self._taking = self._taking, None
            tried[0].give()

    def close(self) -> None:
        """The call is over. Idempotent."""
        if self._loaded is None:
            return
        self.heed = None
        self._drop()
        self.decline()
        former, self._loaded = self._loaded, None
        former.give()

    def _drop(self) -> None:
        if self._next is not None:
            dropped, self._next = self._next, None
            dropped[0].give()
