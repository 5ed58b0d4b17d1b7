"""When a tenant's documents are read."""

from pathlib import Path
from typing import Any
from unittest.mock import MagicMock

import pytest
from msgspec.structs import replace

from base.ids import TenantId
from control.documents import WithDocuments
from pipelines.spec import ProcessorSpec
from tests.pipelines.harness import assistant, revision


class Shelves:
    def __init__(self) -> None:
        self.read: list[Path] = []

    async def sync(self, tenant_id: TenantId, folder: Path) -> object:
        self.read.append(folder)
        return None


async def loaded(revision: object) -> object:
    return revision


@pytest.mark.parametrize(
    ("uses", "read"),
    [
        (("vad.mock", "stt.mock", "llm.mock", "tts.mock"), False),
        (("vad.mock", "stt.mock", "rag.retrieve", "llm.grounded", "tts.mock"), True),
        (("vad.mock", "realtime.openai"), True),
        ((), True),  # the graph of a document that names none
    ],
)
async def test_they_are_read_for_a_revision_that_may_look_something_up(uses: tuple[str, ...], read: bool) -> None:
    supervisor: Any = MagicMock(load=loaded)
    shelves = Shelves()
    nodes = tuple(ProcessorSpec(id=f"s{at}", use=use) for at, use in enumerate(uses))
    await WithDocuments(supervisor, shelves, Path("know")).load(revision(replace(assistant(), pipeline=nodes)))
    assert shelves.read == ([Path("know/us")] if read else [])
