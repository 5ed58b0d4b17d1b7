"""A service in a process of its own, to be killed: `python -m tests.calls.service_process FOLDER`.

Rows go to `rows.jsonl` in the folder, which stands for the database. Tells its port on the first line of its
output; ends in order on SIGTERM.
"""

import asyncio
import os
import signal
import sys
from contextlib import AsyncExitStack
from pathlib import Path

import msgspec
import numpy as np

from base.clock import SystemClock
from control.phone import PhoneDoor, PhoneOptions
from pipelines.calls import CallRecord
from pipelines.hold_music import HoldMusic
from pipelines.spool import Spool
from pipelines.supervisor import PipelineSupervisor
from tenants.directory import Directory
from tenants.document import parse_document
from tenants.keys import signing_keys
from tenants.publishing import publish
from tenants.revisions import MemoryRevisions
from tests.calls.callers import document, tenant
from tests.calls.house import workshop
from transports.freeswitch.esl_server import DoorServer
from transports.freeswitch.media_server import MediaServer

ROWS = "rows.jsonl"
GREETING = "one two three four five six seven eight nine ten eleven twelve"
PERSON = "user/200@helps.example.net"
HELPS = (tenant(2), "200")
"""Beside the first tenant, one whose assistant calls its extension 200 for every caller, and plays music meanwhile."""
MUSIC = HoldMusic((6000 * np.sin(np.arange(8000) / 4)).astype(np.int16), 8000)


def rows(folder: Path) -> dict[str, CallRecord]:
    """What the database would hold."""
    file = folder / ROWS
    lines = file.read_bytes().splitlines() if file.exists() else []
    records = [msgspec.json.decode(line, type=CallRecord) for line in lines]
    assert len({record.call.id for record in records}) == len(records), "a call was stored twice"
    return {record.call.id: record for record in records}


async def serve(folder: Path) -> None:
    """Take calls until SIGTERM."""
    stop, clock, directory = asyncio.Event(), SystemClock(), Directory()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)

    async def store(record: CallRecord) -> None:
        if record.call.id in rows(folder):
            return
        with (folder / ROWS).open("ab") as file:
            file.write(msgspec.json.encode(record) + b"\n")
            os.fsync(file.fileno())

    async with AsyncExitStack() as stack:
        spool = await stack.enter_async_context(Spool(folder / "spool", store, clock))
        supervisor = PipelineSupervisor(workshop(folder))
        stack.push_async_callback(supervisor.close)
        media_server = await stack.enter_async_context(MediaServer("127.0.0.1", 0))
        helps = {
            "llm": {"answers": ["I call somebody"], "request": "operator"},
            "transfer": {"to": "200", "ring_s": 60},
        }
        for raw in (
            document(texts={"greeting": GREETING}, tts={"word_s": 0.3}),
            document("helps", tenant_id=HELPS[0], number=HELPS[1], **helps),
        ):
            await publish(parse_document(raw, "test.yaml"), MemoryRevisions(clock), supervisor, directory)
        phone = PhoneDoor(
            keys=signing_keys(folder, None),
            directory=directory,
            supervisor=supervisor,
            call_log=spool,
            feed=lambda event: None,
            clock=clock,
            options=PhoneOptions(recordings_dir=folder / "recordings", hold_music=MUSIC),
            media_server=media_server,
        )
        door = DoorServer("127.0.0.1", 0, phone.on_call)
        await door.start()
        stack.push_async_callback(door.close, 5.0)
        stack.callback(phone.shut)
        sys.stdout.write(f"port {door.address[1]}\n")
        sys.stdout.flush()
        await stop.wait()


if __name__ == "__main__":
    asyncio.run(serve(Path(sys.argv[1])))
