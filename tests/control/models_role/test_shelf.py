"""The shelf of embedded models: what is loaded, and who waits for it."""

import asyncio
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from control.models_role.ledger import Ledger
from control.models_role.shelf import OwnShelf
from processors.compute import ComputeLanes
from processors.factory import PrepareError
from processors.models.store import ModelStore
from processors.tts.mouth import MODELS, Engines, Manner, OwnMouth

MANNER = Manner(voice="af_heart", language="en", speech="en-us", speed=1.0)


async def test_while_an_engine_is_loaded_the_other_one_speaks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loading, go_on, lanes = asyncio.Event(), asyncio.Event(), ComputeLanes()

    async def mouth(_: Engines, kind: str, *_rest: Any) -> OwnMouth:
        if kind == "torch":
            loading.set()
            await go_on.wait()
        engine, voices = SimpleNamespace(kind=kind), {MANNER.voice: np.zeros(1, dtype=np.float32)}
        return OwnMouth(engine, voices, lanes)

    monkeypatch.setattr(Engines, "mouth", mouth)
    shelf = OwnShelf(ModelStore(tmp_path), Ledger(lanes))
    spoken = await shelf.mouth(MODELS["onnx"], MANNER)
    other = asyncio.create_task(shelf.mouth(MODELS["torch"], MANNER))
    await loading.wait()
    async with asyncio.timeout(5):
        assert await shelf.mouth(MODELS["onnx"], MANNER) is spoken
    assert not other.done()
    go_on.set()
    assert await other is not spoken
    shelf.close()
    lanes.close()


async def test_voices_are_looked_for_beside_the_event_loop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lanes, looking = ComputeLanes(), set[int]()

    async def mouth(*_: Any) -> OwnMouth:
        return OwnMouth(SimpleNamespace(), {}, lanes)  # type: ignore[arg-type]

    def load_voice(name: str, _: Any) -> None:
        looking.add(threading.get_ident())
        if name != MANNER.voice:
            raise PrepareError("there is no such voice")

    monkeypatch.setattr(Engines, "mouth", mouth)
    monkeypatch.setattr("control.models_role.shelf.load_voice", load_voice)
    shelf = OwnShelf(ModelStore(tmp_path), Ledger(lanes))
    assert (await shelf.model(MODELS["onnx"])).voices == (MANNER.voice,)
    assert looking
    assert threading.get_ident() not in looking
    shelf.close()
    lanes.close()
