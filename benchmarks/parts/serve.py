"""The service under test, in its own process: says when it is ready, then tells its live feed, until SIGTERM."""

import asyncio
import ctypes
import gc
import os
import signal
import sys
from collections.abc import Mapping
from pathlib import Path

from app import open_service
from benchmarks.parts.served import Ready, Trimmed, write
from control import logs, settings
from control.service import Service
from processors.catalog import AnyFactory
from tenants.signing import sign


async def main(*, probed: bool) -> None:
    """Serve until told to stop."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, trim)
    found, _ = settings.load(os.environ, Path(".env"))
    logs.configure(found.log_format, found.log_level)
    async with open_service(found, feed=write, stages=_probed_stages() if probed else None) as service:
        await service.rehearsed()
        write(ready_of(service))
        await stop.wait()


def _probed_stages() -> Mapping[str, AnyFactory]:
    from benchmarks.parts.probes import probed_stages  # a service that is not probed is as it is shipped

    return probed_stages()


def trim() -> None:
    """Collect garbage and give free memory back, so that what is resident is held by something; then say so."""
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    write(Trimmed())


def ready_of(service: Service) -> Ready:
    """Where it is reached, and as whom."""
    host, port = service.address
    tenants = {
        entry.slug: (
            entry.tenant_id,
            {number: sign(service.keys, entry.tenant_id, number) for number in entry.numbers},
        )
        for entry in service.directory.tenants()
    }
    return Ready(esl_host=host, esl_port=port, tenants=tenants)


if __name__ == "__main__":
    import uvloop

    uvloop.run(main(probed="--probed" in sys.argv))
