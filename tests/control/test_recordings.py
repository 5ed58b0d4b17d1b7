"""What a process that died has recorded is named in the record that others write for it."""

import uuid
from datetime import UTC, datetime
from pathlib import Path

import pytest
from msgspec import structs

from base.ids import CallId, TenantId
from control.recordings import LostRecordings
from pipelines.calls import CallRecord
from pipelines.recording import Recording
from tests.pipelines.test_spool import a_call, a_record

CALL = structs.replace(
    a_call(),
    id=CallId(str(uuid.uuid4())),
    tenant_id=TenantId(str(uuid.uuid4())),
    opened_at=datetime(2026, 3, 1, 12, tzinfo=UTC),
)
NAME = f"recordings/{CALL.tenant_id}/2026-03-01/{CALL.id}.wav"


async def stored(folder: Path, record: CallRecord) -> CallRecord:
    kept: list[CallRecord] = []

    async def store(record: CallRecord) -> None:
        kept.append(record)

    await LostRecordings(folder, store).store(record)
    return kept[0]


def lost() -> CallRecord:
    return structs.replace(a_record(), call=CALL, end_reason="lost", recording=None, turns=())


async def recorded(folder: Path, pcm: bytes) -> Path:
    async with Recording(folder / NAME, 8000) as recording:
        recording.from_caller(pcm, 0.0)
    return folder / NAME


async def test_it_is_named_when_it_is_there_and_can_be_read(tmp_path: Path) -> None:
    assert (await stored(tmp_path, lost())).recording is None
    await recorded(tmp_path, bytes(16000))
    assert await stored(tmp_path, lost()) == structs.replace(lost(), recording=NAME)


@pytest.mark.parametrize("kept", [0, 10, 44])
async def test_what_cannot_be_read_or_is_empty_is_not(tmp_path: Path, kept: int) -> None:
    file = await recorded(tmp_path, b"" if kept == 44 else bytes(16000))
    file.write_bytes(file.read_bytes()[:kept])
    assert (await stored(tmp_path, lost())).recording is None


async def test_a_record_of_its_own_process_is_handed_on_as_it_is(tmp_path: Path) -> None:
    await recorded(tmp_path, bytes(16000))
    told = structs.replace(lost(), end_reason="goodbye")
    assert (await stored(tmp_path, told)).recording is None
