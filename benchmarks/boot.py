"""How long a house of many tenants takes to open, and what one that nobody rings costs.

    python -m benchmarks.boot [--quick] [--check]

The service starts with one tenant, and with 1,000 that are all alike but for their names and numbers (mock stages):
once all of them loaded before it takes calls, once the first 100, the others known and loaded with their first call.

Full run: about 2 minutes, all bounds. `--quick`: at most 50 s, 200 tenants, with bounds of its own. `--check`: exit 1
when a bound does not hold. The last line is one JSON object of all figures. Peer in the same run: one tenant.
"""

import asyncio
import sys
import tempfile
import time
import uuid
from dataclasses import dataclass
from pathlib import Path

from benchmarks.parts.command import judged, options_of
from benchmarks.parts.judge import Report
from benchmarks.parts.served import served

DOCUMENT = """\
slug: tenant-{number:05}
id: {tenant_id}
domain: tenant-{number:05}.example.net
name: Tenant {number}
language: pt-BR
assistants:
  - name: ana
    numbers: ["{extension}"]
    record: false
    texts: {{greeting: "Empresa {number}, bom dia."}}
    pipeline:
      - {{id: vad, use: vad.mock}}
      - {{id: stt, use: stt.mock}}
      - {{id: llm, use: llm.mock, config: {{answers: ["Resposta de {number}."]}}}}
      - {{id: tts, use: tts.mock}}
"""
NAMESPACE = uuid.UUID("0d9f3a52-6b1e-4c0e-9d7a-5b8c2f4e6a11")


@dataclass(frozen=True)
class Size:
    """How many, and what has to hold."""

    tenants: int
    eager: int
    most_s: float
    most_kb: float


FULL = Size(1000, 100, 10.0, 100.0)
QUICK = Size(200, 20, 5.0, 200.0)


@dataclass(frozen=True)
class Opened:
    """One start: until calls are taken, and resident memory then."""

    seconds: float
    rss_bytes: int


async def opened(tenants: int, eager: int) -> Opened:
    """Start a service with so many tenants, and stop it."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "tenants"
        folder.mkdir()
        for number in range(tenants):
            tenant_id, extension = uuid.uuid5(NAMESPACE, str(number)), 1000 + number
            text = DOCUMENT.format(number=number, tenant_id=tenant_id, extension=extension)
            (folder / f"{number:05}.yaml").write_text(text, encoding="utf-8")
        environ = {
            "ATENDE_TENANTS_DIR": str(folder),
            "ATENDE_KNOWLEDGE_DIR": str(Path(name) / "knowledge"),
            "ATENDE_DATA_DIR": str(Path(name) / "data"),
            "ATENDE_EAGER_TENANTS": str(eager),
        }
        began = time.monotonic()
        async with served(environ) as service:
            took = time.monotonic() - began
            return Opened(took, await service.trimmed_bytes())


async def measure(report: Report, size: Size) -> None:
    """The three starts."""
    one = await opened(1, 1)
    report.add("one_tenant_s", one.seconds, "s")
    every = await opened(size.tenants, size.tenants)
    report.add("tenants", size.tenants)
    report.add("all_loaded_s", every.seconds, "s")
    report.add("all_loaded_more_than_one_s", every.seconds - one.seconds, "s", most=size.most_s)
    report.add(
        "loaded_tenant_kb", (every.rss_bytes - one.rss_bytes) / (size.tenants - 1) / 1e3, "kB", most=size.most_kb
    )
    some = await opened(size.tenants, size.eager)
    report.add("eager", size.eager)
    report.add("some_loaded_more_than_one_s", some.seconds - one.seconds, "s", most=size.most_s)


def main() -> int:
    """Run it and judge it; the exit code."""
    options = options_of(__doc__).parse_args()
    size = QUICK if options.quick else FULL
    return judged("boot", options, lambda report, _: asyncio.run(measure(report, size)))


if __name__ == "__main__":
    sys.exit(main())
