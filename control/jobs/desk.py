"""What a process knows of the jobs: the queue, how it fares, and what was done here."""

from dataclasses import dataclass

from control.jobs.counts import JobCounts
from control.jobs.watch import JobWatch
from tenants.job_store import JobList


@dataclass(frozen=True)
class JobDesk:
    """`watch` is looked through by who has the REST API or does jobs."""

    store: JobList
    watch: JobWatch
    counts: JobCounts | None
    """None: other processes do them."""

    def scraped(self) -> bytes:
        """A part of the metrics of this process, in Prometheus' text format; nothing where it does no jobs."""
        return b"" if self.counts is None else self.counts.text() + self.watch.text()
