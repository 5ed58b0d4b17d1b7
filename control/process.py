"""What is asked of every process of ours, whatever its role."""

from collections.abc import Callable, Collection
from typing import Protocol

from pipecat.processors.frame_processor import FrameProcessor

from base.ids import TenantId
from control.health import ReadyView, ScrapeTarget
from control.settings import Settings
from tenants.key_checker import KeyChecker


class Process(Protocol):
    """A running one. Satisfied by `control.service.Service`, and by those that neither take calls nor have the API."""

    @property
    def settings(self) -> Settings: ...

    @property
    def key_checker(self) -> KeyChecker:
        """Which API keys open."""
        ...

    @property
    def live_calls(self) -> int:
        """While there are some, it is not ended before its time."""
        ...

    def blame(self, processor: FrameProcessor, error: str) -> None:
        """A live call's processor did something wrong that it did not report itself."""
        ...

    def drain(self, *, others: bool = False) -> None:
        """It is to end: nothing new is begun. `others` take what comes."""
        ...

    def take_leave(self) -> None:
        """What is live ends now, politely."""
        ...

    def readiness(self, seen: Collection[TenantId] | None = None, *, rows: bool = True) -> ReadyView:
        """`rows`: with one for each tenant, of those that are `seen`; None: of all."""
        ...

    async def scraped(self) -> bytes:
        """The metrics of this process, in Prometheus' text format."""
        ...

    def scrape_targets(self) -> list[ScrapeTarget]:
        """Every process that has metrics; of a process that is alone, none."""
        ...


Begun = Callable[[], Process | None]
"""The process; None while it starts."""
