"""What Prometheus is told of the jobs of this process. Labels: the kinds there are, and how a job ended."""

from typing import Final, Literal

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest

from tenants.job_rows import KINDS, Kind

Outcome = Literal["done", "failed", "given_back"]
SECONDS: Final = (0.01, 0.05, 0.1, 0.5, 1, 5, 15, 60, 300, 900)


class JobCounts:
    """`text` is a part of the answer to a scrape."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        registry = self._registry
        self._ended = Counter(
            "atende_jobs_ended", "Jobs, by how they ended here.", ["kind", "outcome"], registry=registry
        )
        self._dealt = Counter(
            "atende_jobs_items", "Calls, files, entries or rows that jobs dealt with.", ["kind"], registry=registry
        )
        self._seconds = Histogram(
            "atende_jobs_seconds", "How long a job took.", ["kind"], buckets=SECONDS, registry=registry
        )
        self._broken = Counter("atende_audit_broken", "Looks at an audit log that did not hold.", registry=registry)
        for kind in KINDS:
            self._ended.labels(kind, "done")
            self._ended.labels(kind, "failed")

    def ended(self, kind: Kind, outcome: Outcome, seconds: float) -> None:
        self._ended.labels(kind, outcome).inc()
        self._seconds.labels(kind).observe(seconds)

    def dealt(self, kind: Kind, items: int) -> None:
        self._dealt.labels(kind).inc(items)

    def broken(self) -> None:
        """A chain of the audit log does not hold."""
        self._broken.inc()

    def text(self) -> bytes:
        """In Prometheus' text format."""
        return generate_latest(self._registry)
