"""The program as it is put together in `app.py`: from a folder of documents to a row in the database."""

import asyncio
import shutil
import tempfile
from collections.abc import Iterator
from ipaddress import ip_network
from pathlib import Path

import httpx
import msgspec
import numpy as np
import pytest
import soundfile
from msgspec import structs

from app import create_app, open_service
from base.ids import CallId, TenantId
from control.live_board import LiveCallDetail
from control.parts import phone_options
from control.peer import CallResult, Dialed, HangUp, Hears, Say, Script, Wait, WaitFor, load_sound
from control.peer import Switch as Peer
from control.service import Service
from control.settings import Settings
from control.switches import Switch
from pipelines.calls import ChangedOver, Closed, LiveEvent, Said
from tenants.api_keys import Role, new_key
from tenants.errors import DocumentError
from tenants.put_errors import NotReadyError
from tenants.revisions import PostgresRevisions
from tenants.signing import NUMBER_VARIABLE, SIGNATURE_VARIABLE, TENANT_VARIABLE, sign
from tests.control.collector import collector, facts
from tests.pipelines.virtual import eventually

pytestmark = pytest.mark.postgres

TENANT = TenantId("0f0f0f0f-0000-4000-8000-000000000001")
STRANGER = TenantId("0f0f0f0f-0000-4000-8000-000000000002")
DOCUMENT = f"""\
slug: front-desk
id: {TENANT}
domain: desk.example.net
name: Desk
language: en
assistants:
  - name: ana
    numbers: ["100"]
    texts: {{greeting: Welcome to the desk}}
    turn: {{wait_s: 0.2}}
    pipeline:
      - {{id: vad, use: vad.silero}}
      - {{id: stt, use: stt.mock}}
      - {{id: rag, use: rag.retrieve}}
      - {{id: llm, use: llm.mock, config: {{answers: [We open at nine]}}}}
      - {{id: tts, use: tts.mock, config: {{word_s: 0.1}}}}
"""
SPEECH = Path(__file__).parent / "data" / "speech" / "first" / "en_01.wav"


@pytest.fixture
def settings() -> Iterator[Settings]:
    """Of a service on free ports. The folder is one that the database's user may pass."""
    folder = Path(tempfile.mkdtemp(prefix="atende-test-"))
    folder.chmod(0o755)
    (folder / "tenants").mkdir()
    (folder / "tenants" / "front-desk.yaml").write_text(DOCUMENT)
    (folder / "knowledge" / "front-desk").mkdir(parents=True)
    (folder / "knowledge" / "front-desk" / "hours.md").write_text("## When do you open?\nAt nine.\n")
    yield Settings(
        data_dir=folder / "data",
        esl_port=0,
        tenants_dir=folder / "tenants",
        knowledge_dir=folder / "knowledge",
        max_lateness_ms=1000,  # the callers share our loop
        max_loop_load=1000,
    )
    shutil.rmtree(folder)


async def rung(service: Service, local_host: str = "127.0.0.1", *, question_again: bool = False) -> CallResult:
    """A caller asks something, perhaps once more after a while, and hangs up."""
    signature = sign(service.keys, TENANT, "100")
    signed = {TENANT_VARIABLE: TENANT, NUMBER_VARIABLE: "100", SIGNATURE_VARIABLE: signature}
    heard = WaitFor(what=Hears.SPEECH_END, quiet_ms=300, limit_s=8.0)
    asks = (Say(load_sound(SPEECH)), heard)
    steps = (heard, *asks, Wait(4.0), *asks, HangUp()) if question_again else (heard, *asks, HangUp())
    script = Script(steps=steps, limit_s=40.0)
    async with Peer(*service.address, local_host=local_host) as switch:
        result = await switch.call(Dialed(number="100", variables=signed), script)
    assert result.hazards == ()
    return result


async def test_the_operators_music_goes_to_the_phone_door(settings: Settings) -> None:
    assert (await phone_options(settings)).hold_music is None
    file = settings.tenants_dir.parent / "hold.wav"
    soundfile.write(file, np.full(8000, 0.25), 8000, "PCM_16")
    music = (await phone_options(structs.replace(settings, hold_music=file))).hold_music
    assert music is not None
    assert set(np.frombuffer(next(music.pieces(8000)).audio, "<i2")) == {8192}


async def test_a_call_becomes_a_row_and_a_recording_and_nothing_is_left_running(settings: Settings) -> None:
    events: list[LiveEvent] = []
    before = asyncio.all_tasks()
    async with open_service(settings, feed=events.append) as service:
        assert service.readiness().ready
        call_id = CallId((await rung(service)).call_id)
        record = await service.stored(TENANT, call_id, timeout_s=10)
        assert await service.conversations.get(STRANGER, call_id) is None, "another tenant's rows are not seen"
        address = service.address
    said = [turn.text for turn in record.turns if turn.role == "assistant"]
    assert said == ["Welcome to the desk", "We open at nine"]
    assert (record.end_reason, record.errors) == ("caller_hangup", ())
    assert record.recording is not None
    assert len(load_sound(settings.data_dir / record.recording).at(8000).samples) > 8000
    assert [type(event) for event in events][-1] is Closed
    assert list((settings.data_dir / "spool").glob("*.call")) == []
    assert asyncio.all_tasks() == before
    with pytest.raises(OSError):
        await asyncio.open_connection(*address)


@pytest.mark.parametrize("broken", [DOCUMENT + "langage: pt\n", "name: a: b\n"])
async def test_a_mistake_in_the_file_and_a_restart_leave_the_company_answered(settings: Settings, broken: str) -> None:
    async with open_service(settings) as service:
        assert service.readiness().ready
    file = settings.tenants_dir / "front-desk.yaml"
    file.write_text(broken)
    async with open_service(settings) as service:
        view = service.readiness()
        assert view.ready
        (row,) = service.health()
        assert (row.slug, row.revision) == ("front-desk", 1)
        assert str(file) in str(row.problem)
        assert (await rung(service)).answered


async def test_a_document_that_is_saved_while_the_service_runs_is_found(settings: Settings) -> None:
    grounded = DOCUMENT.replace(
        "{id: llm, use: llm.mock, config: {answers: [We open at nine]}}", "{id: llm, use: llm.grounded}"
    )
    (settings.tenants_dir / "front-desk.yaml").write_text(grounded)
    folder = settings.knowledge_dir / "front-desk"
    async with open_service(settings) as service:
        await service.rehearsed()
        before = service.rendering()[1]
        (folder / "fees.md").write_text("## What does it cost?\nTen euros.\n")
        await eventually(lambda: service.rendering()[1] > before)
        await service.rehearsed()
        assert service.rendering() == (before + 2, before + 2), "the answer, and the question that is asked back"
        assert service.health()[0].revision == 1
        (folder / "fees.md").write_bytes(b"## What does it cost?\n\xff\n")
        await eventually(lambda: service.health()[0].problem is not None)
        assert "fees.md: not UTF-8" in str(service.health()[0].problem)
    async with open_service(settings) as service:
        assert "fees.md: not UTF-8" in str(service.health()[0].problem), "and the company is answered"
        shutil.rmtree(folder)
        await eventually(lambda: f"there is no folder {folder}" in str(service.health()[0].problem))


async def test_a_calls_trace_reaches_the_collector_without_what_was_said(settings: Settings) -> None:
    with collector() as there:
        async with open_service(structs.replace(settings, otlp_endpoint=there.url)) as service:
            await rung(service)
        spans = there.spans
        sent = b"".join(body for _, body in there.bodies)
    [root] = [span for span in spans if not span.parent_span_id]
    [turn] = [span for span in spans if span.parent_span_id == root.span_id]
    stages = [span for span in spans if span.parent_span_id == turn.span_id]
    assert (root.name, turn.name) == ("call", "turn")
    assert {span.name for span in stages} == {"vad", "turn_wait", "stt", "rag", "llm", "tts", "wire"}
    assert len(spans) == 2 + len(stages)
    for span in stages:
        assert turn.start_time_unix_nano <= span.start_time_unix_nano <= span.end_time_unix_nano
        assert span.end_time_unix_nano <= turn.end_time_unix_nano <= root.end_time_unix_nano
    assert TENANT.encode() in sent
    for word in ("Welcome", "nine", "We open", "front-desk", "Desk", "hours", "example.net", NUMBER_VARIABLE):
        assert word.encode() not in sent, word
    assert {"100", "ana"} & {str(value) for span in spans for value in facts(span).values()} == set()


async def test_passages_may_be_kept_in_the_database(settings: Settings) -> None:
    async with open_service(structs.replace(settings, vectors="pgvector")) as service:
        database = service.conversations._database  # type: ignore[attr-defined]
        async with database.tenant(TENANT) as connection:
            kept = await connection.fetch("SELECT document, collection, text FROM atende.passages")
        assert [tuple(row) for row in kept] == [("hours", "use-multilingual-v3/512", "At nine.")]
    assert not (settings.data_dir / "chroma").exists()


async def test_the_calls_of_several_pbxs_are_told_apart(settings: Settings) -> None:
    matriz = Switch(name="matriz", host="127.0.0.1", peers=(ip_network("127.0.0.1/32"),))
    filial = Switch(name="filial", host="127.0.0.2", peers=(ip_network("127.0.0.2/32"),))
    (settings.tenants_dir / "front-desk.yaml").write_text(DOCUMENT + "switch: filial\n")
    other = DOCUMENT.replace("front-desk", "other").replace(TENANT, STRANGER)
    (settings.tenants_dir / "other.yaml").write_text(other + "switch: filail\n")
    async with open_service(msgspec.structs.replace(settings, switches=(matriz, filial))) as service:
        [wrong] = [status for status in service.tenants if status.problem]
        assert "other.yaml:17:1: $.switch:" in wrong.problem
        assert "did you mean 'filial'?" in wrong.problem
        assert (await rung(service)).door == "failed"
        result = await rung(service, "127.0.0.2")
        record = await service.stored(TENANT, CallId(result.call_id), timeout_s=10)
    assert record.call.switch == "filial"
    assert record.end_reason == "caller_hangup"


async def test_the_operator_may_have_g711_as_it_comes(settings: Settings) -> None:
    async with open_service(msgspec.structs.replace(settings, unicast_native=True)) as service:
        result = await rung(service)
        await service.stored(TENANT, CallId(result.call_id), timeout_s=10)
    assert set(result.downlink.sizes) == {160}
    assert result.greeting_ms is not None


async def test_what_is_saved_while_a_call_is_live_answers_its_next_question(settings: Settings) -> None:
    """What docs/live-change.md shows."""
    events: list[LiveEvent] = []
    answered, changed = asyncio.Event(), asyncio.Event()

    def feed(event: LiveEvent) -> None:
        events.append(event)
        if isinstance(event, Said) and event.text == "We open at nine":
            answered.set()
        elif isinstance(event, ChangedOver):
            changed.set()

    file = settings.tenants_dir / "front-desk.yaml"
    async with open_service(settings, feed=feed) as service:
        calling = asyncio.create_task(rung(service, question_again=True))
        async with asyncio.timeout(30):
            await answered.wait()
        await asyncio.to_thread(file.write_text, DOCUMENT.replace("We open at nine", "We open at ten"))
        async with asyncio.timeout(30):
            await changed.wait()
        call_id = CallId((await calling).call_id)
        record = await service.stored(TENANT, call_id, timeout_s=10)
        assert [status.problem for status in service.tenants] == [""]
    said = [turn.text for turn in record.turns if turn.role == "assistant"]
    assert said == ["Welcome to the desk", "We open at nine", "We open at ten"]
    assert (record.call.revision, record.revisions, record.errors) == (1, (1, 2), ())


async def test_what_is_put_while_a_call_is_live_answers_its_next_question_and_the_next_process(
    settings: Settings,
) -> None:
    answered, changed = asyncio.Event(), asyncio.Event()

    def feed(event: LiveEvent) -> None:
        if isinstance(event, Said) and event.text == "We open at nine":
            answered.set()
        elif isinstance(event, ChangedOver):
            changed.set()

    file = settings.tenants_dir / "front-desk.yaml"
    text = DOCUMENT.replace("We open at nine", "We open at ten").encode()
    async with open_service(settings, feed=feed) as service:
        calling = asyncio.create_task(rung(service, question_again=True))
        async with asyncio.timeout(30):
            await answered.wait()
        current = await service.publishing.current(TENANT)
        assert current is not None
        with pytest.raises(DocumentError):
            await service.publishing.put(TENANT, text + b"langage: en\n", expected=current.digest)
        unready = text.replace(b"tts.mock, config: {word_s: 0.1}", b"tts.kokoro")
        with pytest.raises(NotReadyError, match="models pull") as told:
            await service.publishing.put(TENANT, unready, expected=current.digest)
        assert [problem.path for problem in told.value.problems] == ["$.assistants[0].pipeline[4]"]
        assert service.health()[0].problem is None, "what was refused is nobody's problem"
        published = await service.publishing.put(TENANT, text, expected=current.digest)
        async with asyncio.timeout(30):
            await changed.wait()
        record = await service.stored(TENANT, CallId((await calling).call_id), timeout_s=10)
        assert (published.number, record.revisions, record.errors) == (2, (1, 2), ())
        # The watch was told of the file, and of another one after it.
        (settings.tenants_dir / "later.yaml").write_text("slug: [\n")
        await eventually(lambda: len(service.tenants) == 2, limit_s=10)
        assert [status.revision for status in service.tenants if not status.problem] == [2]
        assert [one.number for one in await service.publishing.revisions(TENANT)] == [2, 1]
    said = [turn.text for turn in record.turns if turn.role == "assistant"]
    assert said == ["Welcome to the desk", "We open at nine", "We open at ten"]
    assert await asyncio.to_thread(file.read_bytes) == text
    async with open_service(settings) as service:
        assert [one.number for one in await service.publishing.revisions(TENANT)] == [2, 1]
        assert service.directory.find(TENANT, "100").tenant.revision == 2


async def test_a_tenant_that_is_made_and_removed_while_the_service_runs(settings: Settings) -> None:
    other = DOCUMENT.replace("front-desk", "other").replace(TENANT, STRANGER).replace("desk.example", "other.example")
    async with open_service(settings) as service:
        published = await service.publishing.put(STRANGER, other.encode(), expected=None, create=True)
        assert [entry.slug for entry in service.directory.tenants()] == ["front-desk", "other"]
        await service.publishing.remove(STRANGER, expected=published.digest)
        assert [entry.slug for entry in service.directory.tenants()] == ["front-desk"]
        assert (await rung(service)).answered, "the others are answered"
        feed = service.folder._revisions
        assert isinstance(feed, PostgresRevisions)
        async with asyncio.timeout(10):
            while not (gone := [one.tenant_id for one in await feed.changes() if one.removed]):
                pass
        assert gone == [STRANGER], "with the database alone it would answer again"
    assert [file.name for file in settings.tenants_dir.iterdir()] == ["front-desk.yaml"]


async def test_what_failed_on_trial_is_not_tried_again_by_the_next_process(settings: Settings) -> None:
    async with open_service(settings) as service:
        (settings.tenants_dir / "front-desk.yaml").write_text(f"{DOCUMENT}canary: {{share: 100}}\n")
        await service.folder.look_again()
        assert [row.state for row in service.health()][1:] == ["on trial"]
        service.supervisor.roll_back(TENANT, reason="5 of 20 calls failed")
    async with open_service(settings) as service:
        [row] = service.health()
    assert (row.revision, row.problem) == (1, "revision 2 was rolled back: 5 of 20 calls failed")


async def test_a_bad_tenant_hinders_no_other_and_is_told_over_http_to_who_may_know(settings: Settings) -> None:
    other = DOCUMENT.replace("front-desk", "other").replace(TENANT, STRANGER).replace("desk.example", "other.example")
    (settings.tenants_dir / "other.yaml").write_text(other)
    (settings.knowledge_dir / "other" / "a.md").mkdir(parents=True)
    (settings.tenants_dir / "wrong.yaml").write_text("slug: [\n")
    running: list[Service] = []
    app = create_app(settings, running.append)
    asked = httpx.ASGITransport(app)
    async with app.lifespan(), httpx.AsyncClient(transport=asked, base_url="http://atende.test") as client:

        async def ready(key: str | None) -> httpx.Response:
            return await client.get("/health/ready", headers={} if key is None else {"Authorization": f"Bearer {key}"})

        platforms, own = await key_of(running[0], None), await key_of(running[0], TENANT)
        told = (await ready(platforms)).json()
        problems = {tenant["slug"]: tenant["problem"] or "" for tenant in told["tenants"]}
        assert problems.keys() == {"front-desk", "other", "wrong"}
        assert problems["front-desk"] == ""
        assert "a.md: cannot be read" in problems["other"]
        assert "wrong.yaml:" in problems["wrong"]
        nobody = await ready(None)
        assert nobody.status_code == httpx.codes.OK
        assert nobody.json()["tenants"] is None
        assert nobody.json()["states"] == told["states"]
        assert sum(told["states"].values()) == 3
        assert not [word for word in ("front-desk", "wrong", "other.yaml", TENANT) if word in nobody.text]
        assert [one["name"] for one in nobody.json()["dependencies"]] == [
            "database", "spool", "disk", "models", "phone door", "media clock", "jobs",
        ]  # fmt: skip
        assert [tenant["slug"] for tenant in (await ready(own)).json()["tenants"]] == ["front-desk"]
        assert (await ready(platforms[:-1])).status_code == httpx.codes.UNAUTHORIZED


async def key_of(service: Service, tenant_id: TenantId | None) -> str:
    role: Role = "platform-viewer" if tenant_id is None else "tenant-viewer"
    row, text = new_key(tenant_id, role, "x", pepper=service.api_keys.pepper, created_at=service.clock.now())
    await service.api_keys.store.add(tenant_id, row)
    return text.reveal()


async def test_a_live_call_is_on_the_board_while_it_lives(settings: Settings) -> None:
    seen: list[tuple[LiveCallDetail | None, LiveCallDetail | None]] = []

    def feed(event: LiveEvent) -> None:
        if isinstance(event, Said):
            board, call_id = service.board, event.call_id
            seen.append((board.call(TENANT, call_id), board.call(STRANGER, call_id)))

    async with open_service(settings, feed=feed) as service:
        call_id = CallId((await rung(service)).call_id)
        await service.stored(TENANT, call_id, timeout_s=10)
        assert service.board.calls(None) == ()
    last, foreign = seen[-1]
    assert last is not None
    assert foreign is None
    assert [(turn.role, turn.text) for turn in last.transcript if turn.role == "assistant"] == [
        ("assistant", "Welcome to the desk"),
        ("assistant", "We open at nine"),
    ]
    assert last.transcript[-1].waterfall is not None
