"""`llm.local` with a stand-in for xllamacpp, whose server is scripted."""

import asyncio
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from pipecat.frames.frames import LLMContextFrame, LLMTextFrame
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.tests.utils import run_test

from base.clock import SystemClock
from base.ids import AssistantName, CallId, TenantId
from base.secret import Secret
from processors.factory import CallContext, Persona, PrepareError, StageContext, Workshop
from processors.llm.local import LocalConfig, LocalLlm
from tests.processors.llm import scripted

TENANT = TenantId("6f1d2c0a-4b7e-4f7b-9a53-1c9e5d7a2b10")
PERSONA = Persona(name=AssistantName("sofia"), language="pt-BR", company="Clínica")
CALL = CallContext(tenant_id=TENANT, call_id=CallId("c"), persona=PERSONA, sample_rate=8000)
TOLD = StageContext(tenant_id=TENANT, persona=PERSONA)


class Models:
    def __init__(self, folder: Path | None) -> None:
        self._folder = folder

    def path(self, model: str) -> Path:
        if self._folder is None:
            raise PrepareError(f"the model {model} is missing: run `atende models pull {model}`")
        return self._folder


def workshop(folder: Path | None) -> Workshop:
    unused: Any = None

    async def secret(tenant_id: TenantId, name: str) -> Secret:
        raise AssertionError("needs no secret")

    return Workshop(
        clock=SystemClock(),
        models=Models(folder),
        library=unused,
        data_dir=Path("/nonexistent"),
        secret=secret,
        compute=unused,
    )


def stand_in(monkeypatch: pytest.MonkeyPatch, port: int, made: list[Any]) -> None:
    """An xllamacpp whose server is at `port`; what it was started with is kept in `made`."""

    class Server:
        def __init__(self, params: Any) -> None:
            if "broken" in params.model.path:
                raise RuntimeError("Failed to init server, please check the input params.")
            made.append(params)
            self.listening_address = f"http://127.0.0.1:{port}"

    module = ModuleType("xllamacpp")
    blank = SimpleNamespace
    module.CommonParams = lambda: blank(model=blank(), cpuparams=blank(), cpuparams_batch=blank())  # type: ignore[attr-defined]
    module.Server = Server  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "xllamacpp", module)


async def test_it_asks_its_own_server_with_a_key_that_only_it_knows(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "m.gguf").touch()
    made: list[Any] = []
    async with scripted.Script(scripted.OPENAI_HI) as script:
        stand_in(monkeypatch, script.port, made)
        stage, config = LocalLlm(), LocalConfig(threads=2)
        prepared = await stage.prepare(config, TOLD, workshop(tmp_path))
        question = LLMContextFrame(LLMContext([{"role": "user", "content": "horário?"}]))
        down, _ = await run_test(stage.create(config, prepared, CALL), frames_to_send=[question])
        await stage.close(prepared)
    (params,) = made
    assert (params.model.path, params.hostnames, params.port) == (str(tmp_path / "m.gguf"), ["127.0.0.1"], 0)
    assert (params.cpuparams.n_threads, params.n_ctx) == (2, 4096)
    (key,) = params.api_keys
    assert len(key) >= 32
    assert script.seen[0][0]["authorization"] == f"Bearer {key}"
    assert "".join(frame.text for frame in down if isinstance(frame, LLMTextFrame)) == "Das oito às seis."


async def test_without_the_package_the_extra_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "xllamacpp", None)
    with pytest.raises(PrepareError, match=r"atende\[local-llm\]"):
        await LocalLlm().prepare(LocalConfig(), TOLD, workshop(tmp_path))


async def test_without_the_model_the_command_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in(monkeypatch, 1, [])
    with pytest.raises(PrepareError, match=r"atende models pull qwen-coder-1\.5b"):
        await LocalLlm().prepare(LocalConfig(), TOLD, workshop(None))


@pytest.mark.parametrize(
    ("files", "told"), [([], "0 GGUF"), (["a.gguf", "b.gguf"], "2 GGUF"), (["broken.gguf"], "cannot")]
)
async def test_a_folder_that_cannot_be_loaded_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, files: list[str], told: str
) -> None:
    stand_in(monkeypatch, 1, [])
    for name in files:
        (tmp_path / name).touch()
    with pytest.raises(PrepareError, match=told):
        await LocalLlm().prepare(LocalConfig(), TOLD, workshop(tmp_path))


async def test_loading_does_not_hold_up_the_event_loop(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "m.gguf").touch()
    stand_in(monkeypatch, 1, [])
    import threading

    import xllamacpp

    began, go_on = threading.Event(), threading.Event()
    quick = xllamacpp.Server

    def slow(params: Any) -> Any:
        began.set()
        assert go_on.wait(5)
        return quick(params)

    monkeypatch.setattr(xllamacpp, "Server", slow)
    loading = asyncio.create_task(LocalLlm().prepare(LocalConfig(), TOLD, workshop(tmp_path)))
    assert await asyncio.to_thread(began.wait, 5)
    assert not loading.done()
    go_on.set()
    await LocalLlm().close(await loading)
