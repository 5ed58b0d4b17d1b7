"""When a tenant's documents are read, and what becomes of those that cannot be."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from msgspec.structs import replace
from structlog.testing import capture_logs

from base.ids import TenantId
from control.documents import WithDocuments, lacking
from knowledge.documents import DocumentError
from knowledge.ingest import SyncReport
from knowledge.passages import KnowledgeError, Passage
from knowledge.stores.protocol import StoredDocument
from pipelines.loaded import LoadedRevision
from pipelines.revision import PipelineRevision
from pipelines.spec import ProcessorSpec
from processors.factory import PrepareError
from tests.pipelines.harness import TENANT, assistant, revision

NOTHING_NEW = SyncReport(added=(), changed=(), removed=(), unchanged=("hours",), passages=0)
CHANGED = SyncReport(added=("fees",), changed=("hours",), removed=(), unchanged=(), passages=7)
HOURS = Passage(id="hours#1", document="hours", heading="When?", text="At nine.")


class Shelves:
    def __init__(self) -> None:
        self.read: list[Path] = []
        self.report = NOTHING_NEW
        self.failure: Exception | None = None
        self.former: list[Passage] = []

    async def sync(self, tenant_id: TenantId, folder: Path) -> SyncReport:
        self.read.append(folder)
        if self.failure is not None:
            raise self.failure
        return self.report

    async def passages(self, tenant_id: TenantId) -> list[Passage]:
        return self.former


class House:
    """Documents of one tenant, `us`, that looks things up."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.file = folder / "us" / "hours.md"
        self.file.parent.mkdir()
        self.file.write_text("## When?\nAt nine.\n")
        self.shelves = Shelves()
        self.answering: set[TenantId] = set()
        self.rendered: list[TenantId] = []
        self.broken = False
        supervisor: Any = dict.fromkeys(
            ("try_out", "failed_on_trial", "forget_failure", "remove", "unload", "idle")
        ) | {
            "load": self.load,
            "activate": lambda loaded, swap: None,
            "discard": self.discard,
            "answers": self.answering.__contains__,
            "rehearse_again": self.rendered.append,
        }
        self.documents = WithDocuments(cast(Any, SimpleNamespace(**supervisor)), self.shelves, folder)

    async def load(self, revision: PipelineRevision) -> LoadedRevision:
        if self.broken:
            raise PrepareError("no voice")
        self.answering.add(revision.tenant_id)
        return cast(Any, SimpleNamespace(revision=revision))

    async def discard(self, loaded: LoadedRevision) -> None:
        """Nothing is kept of it."""

    async def loaded(self, *uses: str, slug: str = "us") -> LoadedRevision:
        nodes = tuple(
            ProcessorSpec(id=f"s{at}", use=use, config={"passages": 0} if use == "realtime.none" else {})
            for at, use in enumerate(uses)
        )
        return await self.documents.load(replace(revision(replace(assistant(), pipeline=nodes)), slug=slug))


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)


@pytest.mark.parametrize(
    ("uses", "read"),
    [
        (("vad.mock", "stt.mock", "llm.mock", "tts.mock"), False),
        (("vad.mock", "stt.mock", "rag.retrieve", "llm.grounded", "tts.mock"), True),
        (("vad.mock", "realtime.openai"), True),
        (("vad.mock", "realtime.none"), False),
        ((), True),  # the graph of a document that names none
    ],
)
async def test_they_are_read_for_a_revision_that_may_look_something_up(
    house: House, uses: tuple[str, ...], read: bool
) -> None:
    await house.loaded(*uses)
    assert house.shelves.read == ([house.folder / "us"] if read else [])
    await house.documents.look_again()
    assert len(house.shelves.read) == 2 * read


async def test_what_is_saved_is_read_again_and_its_answers_are_rendered(house: House) -> None:
    await house.loaded()
    await house.documents.refresh([house.folder / "them" / "hours.md", house.folder])
    assert len(house.shelves.read) == 1, "another tenant's"
    await house.documents.refresh([house.file])
    assert (len(house.shelves.read), house.rendered) == (2, []), "it is what it was"
    house.shelves.report = CHANGED
    with capture_logs() as lines:
        await house.documents.refresh([house.file, house.folder / "us"])
    assert (len(house.shelves.read), house.rendered) == (3, [TENANT])
    (line,) = lines
    assert (line["slug"], line["added"], line["changed"], line["passages"]) == ("us", 1, 1, 7)
    house.answering.clear()
    await house.documents.refresh([house.file])
    assert len(house.shelves.read) == 3, "it is read when its tenant is loaded again"


@pytest.mark.parametrize(
    "failure", [DocumentError("hours.md: not UTF-8 at byte 3"), KnowledgeError("the disk is full")]
)
async def test_what_cannot_be_read_is_told_and_the_former_passages_stay(house: House, failure: Exception) -> None:
    await house.loaded()
    house.shelves.failure = failure
    with capture_logs() as lines:
        await house.documents.refresh([house.file])
    assert [line["log_level"] for line in lines] == ["error"]
    assert str(failure) in house.documents.problems[TENANT]
    assert str(house.folder / "us") in house.documents.problems[TENANT]
    assert house.rendered == []
    house.shelves.failure = None
    await house.documents.refresh([house.file])
    assert house.documents.problems == {}


async def test_a_process_that_starts_with_a_document_that_cannot_be_read_answers_with_the_former(house: House) -> None:
    house.shelves.failure = DocumentError("hours.md: not UTF-8 at byte 3")
    with pytest.raises(PrepareError, match="not UTF-8"):
        await house.loaded()
    house.shelves.former = [HOURS]
    await house.loaded()
    assert "not UTF-8" in house.documents.problems[TENANT]
    house.shelves.failure = None
    await house.documents.look_again()
    assert house.documents.problems == {}


async def test_a_folder_that_is_not_there_or_has_no_document_is_told(house: House) -> None:
    house.file.unlink()
    await house.loaded()
    assert house.documents.problems[TENANT] == f"nothing can be looked up: there is no *.md in {house.folder / 'us'}"
    house.file.parent.rmdir()
    await house.documents.refresh([house.folder / "us"])
    assert house.documents.problems[TENANT] == lacking(house.folder / "us")
    assert f"there is no folder {house.folder / 'us'}" in house.documents.problems[TENANT]
    house.shelves.report = replace(NOTHING_NEW, stored=(StoredDocument("hours", "0"),))
    await house.documents.refresh([house.folder / "us"])
    assert f"folder {house.folder / 'us'}; what was read before" in house.documents.problems[TENANT]
    house.file.parent.mkdir()
    house.file.write_text("## When?\nAt nine.\n")
    await house.documents.refresh([house.file])
    assert house.documents.problems == {}


async def test_what_is_loaded_under_another_slug_and_does_not_answer_leaves_the_documents_of_what_does(
    house: House,
) -> None:
    us, them = house.folder / "us", house.folder / "them"
    house.documents.activate(await house.loaded())
    await house.documents.discard(await house.loaded(slug="them"))
    assert house.shelves.read == [us, them, us]
    house.broken = True
    with pytest.raises(PrepareError):
        await house.loaded(slug="them")
    assert house.shelves.read[3:] == [them, us]
    with pytest.raises(PrepareError):
        await house.loaded()
    assert house.shelves.read[5:] == [us], "they are what they were"
    house.broken = False
    house.documents.activate(await house.loaded(slug="them"))
    await house.documents.look_again()
    assert house.shelves.read[-2:] == [them, them]
