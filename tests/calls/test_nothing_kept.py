"""A company that lets nothing be kept: its calls leave figures, and no word, from their first moment on."""

import asyncio
import json

import yaml

from control.peer import HangUp, Script, Wait
from pipelines.calls import ChangedOver, Said
from tests.calls.callers import document, hears
from tests.calls.house import house
from tests.pipelines.virtual import eventually

KEEPS_NOTHING = {"transcripts_days": 0, "recordings_days": 0}
NOTHING = json.dumps({**yaml.safe_load(document()), "retention": KEEPS_NOTHING}).encode()
SHORT = Script(steps=(hears(), HangUp()), limit_s=10)


async def test_a_call_leaves_its_figures_and_neither_words_nor_a_recording() -> None:
    async with house(NOTHING, record=True) as home:
        call = await home.call(SHORT)
        assert [event.text for event in call.events if isinstance(event, Said)] == ["Welcome to us"], "it was told live"
        record = call.record
        assert [(turn.role, turn.text) for turn in record.turns] == [("assistant", "")]
        assert (record.words_erased_at, record.recording) == (record.ended_at, None)
        assert list(home.folder.rglob("*.wav")) == []
        await home.publish(document())
        kept = (await home.call(SHORT)).record
        assert ([turn.text for turn in kept.turns], kept.words_erased_at) == (["Welcome to us"], None)
        assert [home.folder / str(kept.recording)] == list(home.folder.rglob("*.wav"))


async def test_a_call_that_changes_over_to_such_a_document_keeps_no_words_of_before() -> None:
    async with house(document()) as home:
        dialed = home.dial(Script(steps=(hears(), Wait(10.0), HangUp()), limit_s=20))
        calling = asyncio.create_task(home.ring(dialed))
        await eventually(lambda: any(isinstance(event, Said) for event in home.events))
        await home.publish(NOTHING, swap="turn")
        await eventually(lambda: any(isinstance(event, ChangedOver) for event in home.events))
        dialed.hang_up()
        record = (await calling).record
        assert record.revisions == (1, 2)
        assert [turn.text for turn in record.turns] == [""]
