"""`atende tenants` and `atende calls`, as an operator runs them: over HTTP, against a service that runs."""

import asyncio
import json
import logging
import socket
import wave
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import click
import httpx
import pytest
import pytest_asyncio
import structlog
import uvicorn
from click.testing import CliRunner, Result
from msgspec import structs

from base.ids import TenantId
from base.secret import Secret
from control.cli.audit import audit_command
from control.cli.calls import calls_command
from control.cli.context import Program
from control.cli.jobs import jobs_command
from control.cli.keys import keys_command
from control.cli.remote import Remote, raise_for
from control.cli.secret import secret_command
from control.cli.tail import events, tail_command
from control.cli.tenants import tenants_command
from control.settings import Settings
from pipelines.calls import CallRecord, StageUsage, Turn
from tenants.job_store import PostgresJobs
from tests.control.api.house import ACME, BRAVO, ApiHouse, api_house, document
from tests.control.api.test_calls import record

pytestmark = [pytest.mark.postgres, pytest.mark.asyncio(loop_scope="module")]


class Desk:
    """An operator's terminal, and the service that it asks."""

    def __init__(self, house: ApiHouse, url: str) -> None:
        self.house = house
        self.url = url

    async def run(
        self, *words: str, role: Any = "platform-admin", tenant: TenantId | None = None, typed: str = ""
    ) -> Result:
        settings = Settings(api_url=self.url, api_key=Secret(self.house.keys[role, tenant]))
        return await asyncio.to_thread(run, settings, *words, typed=typed)

    async def told(self, *words: str, **whose: Any) -> Any:
        """What `--json` tells."""
        done = await self.run(*words, "--json", **whose)
        assert done.exit_code == 0, done.output
        return json.loads(done.stdout)


def run(settings: Settings, *words: str, typed: str = "") -> Result:
    def unused(*_: Any, **__: Any) -> Any:
        raise AssertionError("this command opens no service")

    program = Program(settings=settings, open_service=unused, open_trial=unused, create_app=unused)
    commands = click.Group(
        commands=[
            tenants_command,
            calls_command,
            tail_command,
            keys_command,
            secret_command,
            audit_command,
            jobs_command,
        ]
    )
    return CliRunner().invoke(commands, list(words), obj=program, input=typed)


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """What the service logs is none of a command's output."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    yield
    structlog.reset_defaults()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def desk() -> AsyncIterator[Desk]:
    async with api_house(watch=False, api_requests_per_s=1000) as house:
        listener = socket.create_server(("127.0.0.1", 0))
        config = uvicorn.Config(house.app, log_config=None, access_log=False, lifespan="off")
        server = uvicorn.Server(config)
        serving = asyncio.create_task(server._serve(sockets=[listener]))
        try:
            yield Desk(house, f"http://127.0.0.1:{listener.getsockname()[1]}")
        finally:
            server.should_exit = True
            await serving
            listener.close()


async def test_companies(desk: Desk) -> None:
    listed = await desk.told("tenants", "list")
    assert [(one["slug"], one["tenant_id"], one["revision"]) for one in listed] == [
        ("acme", ACME, 1),
        ("bravo", BRAVO, 1),
    ]
    own = await desk.told("tenants", "list", role="tenant-viewer", tenant=BRAVO)
    assert [one["slug"] for one in own] == ["bravo"]
    table = (await desk.run("tenants", "list")).stdout
    assert table.splitlines()[1].split()[:2] == ["acme", "ready"]
    assert "assistant ana" in (await desk.run("tenants", "show", "acme")).stdout
    refused = await desk.run("tenants", "show", "bravo", role="tenant-viewer", tenant=ACME)
    assert refused.exit_code == 1
    assert "sees no tenant 'bravo'" in refused.output


async def test_a_document_is_changed_and_changed_back(desk: Desk, tmp_path: Path) -> None:
    file = tmp_path / "acme.yaml"
    assert (await desk.run("tenants", "get", "acme", "-o", str(file))).exit_code == 0
    assert file.read_text() == document(ACME)
    file.write_text(document(ACME, greeting="Hello"))
    dry = await desk.run("tenants", "put", "acme", str(file), "--dry-run")
    assert dry.output == f"{file} can be put; it would answer as revision 2\n"
    assert (await desk.run("tenants", "put", "acme", str(file))).output == "revision 2 answers\n"
    again = await desk.run("tenants", "put", "acme", str(file))
    assert again.output == "nothing to do: revision 2 has the same text\n"
    diff = (await desk.run("tenants", "diff", "acme", "1", "2")).output
    assert "-    texts: {greeting: Welcome to acme}\n+    texts: {greeting: Hello to acme}" in diff
    assert (await desk.run("tenants", "rollback", "acme", "1")).output == "revision 3 answers\n"
    revisions = await desk.told("tenants", "revisions", "acme", "--limit", "2")
    assert [one["revision"] for one in revisions] == [3, 2]
    stale = await desk.run("tenants", "put", "acme", str(file), "--over", revisions[1]["digest"])
    assert (stale.exit_code, "another one by now" in stale.output) == (1, True)
    nobody = await desk.run("tenants", "promote", "acme")
    assert nobody.exit_code == 1
    assert "no `canary`" in nobody.output


async def test_mistakes_are_told_at_their_lines(desk: Desk, tmp_path: Path) -> None:
    file = tmp_path / "acme.yaml"
    file.write_text(document(ACME).replace("greeting:", "greting:"))
    wrong = await desk.run("tenants", "put", "acme", str(file))
    assert wrong.exit_code == 1
    assert "$.assistants[0].texts.greting" in wrong.output
    assert "10:" in wrong.output


async def test_a_notice_is_told_as_one(desk: Desk, tmp_path: Path) -> None:
    file = tmp_path / "acme.yaml"
    file.write_text(document(ACME) + "retention: {recording_consent: announce}\n")
    tried = await desk.run("tenants", "put", "acme", str(file), "--dry-run")
    assert tried.exit_code == 0, tried.output
    assert tried.stderr.startswith(f"{file}:")
    assert ": notice: $.retention.recording_consent: " in tried.stderr


async def test_a_live_call_is_watched_and_ended_and_heard_again(desk: Desk, tmp_path: Path) -> None:
    async with desk.house.call(ACME) as call_id:
        [live] = await desk.told("calls", "live", "--tenant", "acme")
        assert live["call"]["id"] == call_id
        assert [live] == (await desk.house.ask("GET", "/live-calls")).json()["items"], "JSON as the API has it"
        assert call_id in (await desk.run("calls", "live")).stdout
        assert "Welcome to acme" in (await desk.run("calls", "show", call_id)).stdout
        foreign = await desk.run("calls", "hang-up", call_id, role="tenant-admin", tenant=BRAVO)
        assert (foreign.exit_code, "no such thing" in foreign.output) == (1, True)
        assert (await desk.run("calls", "say", call_id, "One moment")).exit_code == 0
        async with asyncio.timeout(10):
            while "One moment" not in (await desk.run("calls", "show", call_id)).stdout:
                pass
        nowhere = await desk.run("calls", "transfer", call_id, "sofia/evil")
        assert nowhere.exit_code == 1
        assert "$.number" in nowhere.output
        assert (await desk.run("calls", "hang-up", call_id)).exit_code == 0
        await desk.house.service.stored(ACME, call_id, 20)
    shown = await desk.told("calls", "show", call_id, "--tenant", "acme")
    assert shown["end_reason"] == "ended_by_operator"
    file = tmp_path / "call.wav"
    assert (await desk.run("calls", "recording", call_id, "-o", str(file), "--tenant", "acme")).exit_code == 0
    with wave.open(str(file)) as audio:
        assert (audio.getnchannels(), audio.getnframes() > 0) == (2, True), "both sides"
    other = tmp_path / "other.wav"
    foreign = await desk.run("calls", "recording", call_id, "-o", str(other), role="tenant-admin", tenant=BRAVO)
    assert (foreign.exit_code, "no such thing" in foreign.output, other.exists()) == (1, True, False)


async def test_finished_calls(desk: Desk, tmp_path: Path) -> None:
    conversations = desk.house.service.conversations
    for number in range(60, 66):
        await conversations.store(BRAVO, record(number, BRAVO))
    asked = ("calls", "list", "--tenant", "bravo", "--from", "2026-11-26T10:02", "--to", "2026-11-26T10:05")
    listed = await desk.told(*asked)
    assert [one["call"]["caller"][-2:] for one in listed] == ["64", "63", "62"]
    assert len(await desk.told(*asked, "--limit", "1")) == 1
    assert "goodbye" in (await desk.run(*asked, "--text", "day 64")).stdout
    assert "no such calls" in (await desk.run(*asked, "--text", "day 99")).stderr
    file = tmp_path / "calls.ndjson"
    assert (await desk.run("calls", "export", *asked[2:], "-o", str(file))).exit_code == 0
    assert [json.loads(line)["call"]["caller"][-2:] for line in file.read_text().splitlines()] == ["64", "63", "62"]
    nobodys = await desk.run("calls", "list")
    assert (nobodys.exit_code, "domain_uuid" in nobodys.output) == (1, True)


async def test_what_happens_is_followed_from_where_it_was_left(desk: Desk) -> None:
    told = await desk.house.ask("GET", "/events", params={"limit": 200, "domain_uuid": ACME})
    calls = [one for one in told.json()["items"] if one["kind"].startswith("call.")]
    assert [one["kind"] for one in calls] == ["call.started", "call.ended"]
    following = asyncio.create_task(
        desk.run("tail", "--tenant", "acme", "--kind", "call.ended", "--after", "0", "--json", "--once")
    )
    try:
        async with asyncio.timeout(30):
            while not desk.house.service.feed.streams:  # noqa: ASYNC110 - another thread joins
                await asyncio.sleep(0.02)
            async with desk.house.call(ACME) as call_id:
                assert desk.house.service.phone.hang_up(ACME, call_id)
                await desk.house.service.stored(ACME, call_id, 20)
            desk.house.service.drain()  # streams end
            done = await following
    finally:
        desk.house.service.phone.draining = False
    assert done.exit_code == 0, done.output
    seen = [json.loads(line) for line in done.stdout.splitlines()]
    assert [one["subject"] for one in seen] == [calls[1]["subject"], call_id]
    assert {one["kind"] for one in seen} == {"call.ended"}


async def test_a_stream_is_read_however_it_is_cut() -> None:
    text = b": still here\n\n" + b"".join(
        b'id: %d\nevent: call.ended\ndata: {"id":%d,"at":"2026-11-26T09:00:00Z","kind":"call.ended","subject":"c"}\n\n'
        % (n, n)
        for n in range(3)
    )
    for size in (1, 7, 1000):
        pieces = [text[at : at + size] for at in range(0, len(text), size)]
        assert [one.id for one in events(pieces)] == [0, 1, 2]


async def test_what_a_call_cost_is_shown(desk: Desk) -> None:
    known = StageUsage(
        stage="mind", use="llm.openai", model="gpt-4o-mini", answers=2, input_tokens=900, output_tokens=60
    )
    one = structs.replace(record(71, BRAVO), cost_usd=0.0123, usage=(structs.replace(known, cost_usd=0.0123),))
    two = structs.replace(record(72, BRAVO), cost_usd=None, usage=(structs.replace(known, cost_usd=None),))
    for call in (one, two):
        await desk.house.service.conversations.store(BRAVO, call)
    shown = (await desk.run("calls", "show", one.call.id, "--tenant", "bravo")).stdout
    assert "mind: gpt-4o-mini, 2 answers, 900 tokens read, 60 written, $0.0123\ncost: $0.0123" in shown
    assert "cost: not known" in (await desk.run("calls", "show", two.call.id, "--tenant", "bravo")).stdout


async def test_what_a_caller_said_does_not_command_the_terminal(desk: Desk) -> None:
    said = Turn(role="caller", text="\x1b]0;owned\x07[red]hi\x1b[2J", at_ms=1.0)
    evil: CallRecord = structs.replace(record(70, BRAVO), turns=(said,))
    await desk.house.service.conversations.store(BRAVO, evil)
    shown = await desk.run("calls", "show", evil.call.id, "--tenant", "bravo")
    assert "[red]hi" in shown.stdout
    assert "\x1b" not in shown.stdout
    assert "\x07" not in shown.stdout


async def test_keys_are_made_listed_and_revoked_by_the_service(desk: Desk) -> None:
    made = await desk.run("keys", "create", "--role", "tenant-viewer", "--tenant", "acme", "--name", "Painel")
    assert made.exit_code == 0, made.output
    text = made.stdout.strip()
    asked = await asyncio.to_thread(run, Settings(api_key=Secret(text)), "tenants", "list", "--url", desk.url)
    assert "acme" in asked.stdout, asked.output
    listed = await desk.told("keys", "list", role="tenant-admin", tenant=ACME)
    [key] = [one for one in listed if one["name"] == "Painel"]
    assert (key["role"], key["tenant_id"], key["key"]) == ("tenant-viewer", ACME, text.split("_")[1])
    assert text not in json.dumps(listed)
    foreign = await desk.run("keys", "revoke", key["key"], role="tenant-admin", tenant=BRAVO)
    assert (foreign.exit_code, "no such thing" in foreign.output) == (1, True)
    assert (await desk.run("keys", "revoke", key["key"], "--tenant-id", ACME)).exit_code == 0
    table = (await desk.run("keys", "list", "--tenant", "acme")).stdout
    [line] = [line for line in table.splitlines() if line.startswith(key["key"])]
    assert line.split()[1:3] == ["tenant-viewer", "revoked"]
    nameless = await desk.run("keys", "create", "--role", "platform-viewer")
    assert (nameless.exit_code, "name" in nameless.output) == (1, True)


async def test_a_secret_is_tried_by_the_service_and_stays_while_it_is_used(desk: Desk) -> None:
    of_acme: dict[str, Any] = {"role": "tenant-admin", "tenant": ACME}
    dry = await desk.run("secret", "set", "--dry-run", "openai", typed="sk-hush\n", **of_acme)
    assert dry.output == "would be version 1\n"
    assert await desk.told("secret", "list", **of_acme) == []
    for version in (1, 2):
        done = await desk.run("secret", "openai", typed=f"sk-hush-{version}", **of_acme)
        assert done.output == f"kept as version {version}\n"
    assert "nothing changes" in (await desk.run("secret", "openai", typed="sk-hush-2", **of_acme)).output
    [one] = await desk.told("secret", "list", "--tenant", "acme")
    assert (one["name"], one["version"], one["uses"]) == ("openai", 2, [])
    assert one["created_by"].startswith("key ")
    assert "hush" not in (await desk.run("secret", "list", **of_acme)).output
    whose = await desk.run("secret", "list")
    assert (whose.exit_code, "--tenant or --tenant-id" in whose.output) == (2, True)
    assert (await desk.run("secret", "remove", "openai", **of_acme)).exit_code == 0
    assert (await desk.run("secret", "remove", "openai", **of_acme)).exit_code == 1


async def test_the_audit_log_is_listed_and_verified_by_the_service(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("control.api.audit.VERIFIED_AT_ONCE", 3)
    monkeypatch.setattr("control.cli.remote.PAGE", 2)
    entries = await desk.told("audit", "list", "--tenant", "acme", "--limit", "7")
    newest = entries[0]["number"]
    assert [one["number"] for one in entries] == list(range(newest, newest - 7, -1)), "over pages"
    [before] = await desk.told("audit", "list", "--tenant", "acme", "--limit", "1", "--before", str(newest))
    assert before == entries[1]
    holds = f"{newest}:{entries[0]['digest']}"
    assert (await desk.run("audit", "verify", "--tenant", "acme")).output == f"acme: holds to {holds}\n"
    kept = ("audit", "verify", "--kept", f"{entries[2]['number']}:{entries[2]['digest']}")
    assert (await desk.run(*kept, role="tenant-admin", tenant=ACME)).exit_code == 0
    for wrong, told in ((f"{newest + 9}:{'a' * 64}", "entries are lacking"), (f"2:{'a' * 64}", "written anew")):
        done = await desk.run("audit", "verify", "--tenant", "acme", "--kept", wrong)
        assert (done.exit_code, told in done.stderr) == (1, True), done.output
    everybody = (await desk.run("audit", "verify", "--all")).output
    assert f"{ACME}: holds to {holds}\n" in everybody
    own = await desk.run("audit", "verify", "--all", role="tenant-admin", tenant=ACME)
    assert (own.exit_code, "a key of the platform's administrator" in own.output) == (1, True)


async def test_a_command_works_on_the_database_where_it_is_told_to_or_nobody_is_to_be_asked(
    desk: Desk, tmp_path: Path
) -> None:
    key = Secret(desk.house.keys["platform-admin", None])
    here = Settings(data_dir=tmp_path, tenants_dir=tmp_path)

    def keys(settings: Settings, *words: str) -> Result:
        return run(settings, "keys", "list", *words)

    assert "there are no keys" in (await asyncio.to_thread(keys, here)).stderr
    told = structs.replace(here, api_url=desk.url, api_key=key)
    assert "there are no keys" in (await asyncio.to_thread(keys, told, "--local")).stderr
    assert "platform-viewer" in (await asyncio.to_thread(keys, told)).stdout
    both = await asyncio.to_thread(keys, told, "--local", "--url", desk.url)
    assert (both.exit_code, "one of the two" in both.output) == (2, True)
    keyless = await asyncio.to_thread(keys, here, "--url", desk.url)
    assert (keyless.exit_code, "keys create --local" in keyless.output) == (1, True)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        nobody = f"http://127.0.0.1:{taken.getsockname()[1]}"
    away = await asyncio.to_thread(keys, told, "--url", nobody)
    assert (away.exit_code, "--local works on the database itself" in away.output) == (1, True)
    wrong = await asyncio.to_thread(keys, told, "--url", "ftp://x")
    assert wrong.exit_code == 2


async def test_who_cannot_ask_is_told_what_to_do(desk: Desk) -> None:
    keyless = await asyncio.to_thread(run, Settings(api_url=desk.url), "tenants", "list")
    assert "atende keys create" in keyless.output
    wrong = Settings(api_url=desk.url, api_key=Secret("atende_wrong"))
    assert "ATENDE_API_KEY is no key" in (await asyncio.to_thread(run, wrong, "tenants", "list")).output
    with socket.create_server(("127.0.0.1", 0)) as taken:
        nobody = f"http://127.0.0.1:{taken.getsockname()[1]}"
    away = Settings(api_url=nobody, api_key=Secret("atende_x"))
    assert "does `atende serve` run there?" in (await asyncio.to_thread(run, away, "tenants", "list")).output
    clear = Settings(api_url="http://atende.example.net", api_key=Secret("atende_x"))
    told = (await asyncio.to_thread(run, clear, "tenants", "list")).output
    assert "in the clear" in told
    assert "atende_x" not in told


async def test_who_asks_too_often_comes_again_and_who_is_locked_out_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    waited: list[float] = []
    monkeypatch.setattr("control.cli.remote.time.sleep", waited.append)
    answers = [httpx.Response(429, headers={"Retry-After": wait}) for wait in ("1", "2")]
    answers += [httpx.Response(200, json={"tenant_id": None}), httpx.Response(429, headers={"Retry-After": "60"})]
    door = httpx.MockTransport(lambda _: answers.pop(0))
    with httpx.Client(transport=door, base_url="http://atende.test") as client:
        service = Remote(client)
        assert service.ask("GET", "/whoami").status_code == 200
        assert waited == [1.0, 2.0]
        with pytest.raises(click.ClickException, match="answered 429"):
            service.ask("GET", "/whoami")
    assert waited == [1.0, 2.0]


async def test_an_answer_of_something_else_is_told_as_that() -> None:
    with pytest.raises(click.ClickException, match="answered 502"):
        raise_for(httpx.Response(502, content=b"<html>bad gateway</html>"))


async def test_jobs_are_shown_to_who_has_a_key_of_the_platform(desk: Desk) -> None:
    kinds: set[str] = set()
    async with asyncio.timeout(30):
        while not kinds >= {"events", "upkeep"}:
            told = await desk.told("jobs", "--url", desk.url)
            kinds = {one["kind"] for one in told["kinds"] if one["done_last_day"]}
    assert all(one["next_run_at"] for one in told["kinds"])
    service = desk.house.service
    store = service.jobs.store
    assert isinstance(store, PostgresJobs)
    async with store._database.platform() as connection:  # as two that a newer version of the program puts there
        await connection.execute(
            "INSERT INTO atende.jobs (priority, status, entrypoint, payload, attempts) VALUES "
            "(0, 'queued', 'later@[red]node', $1, 2), (0, 'queued', 'later', 'no JSON', 0)",
            f'{{"tenant_id": "{ACME}"}}'.encode(),
        )
    newest, other = (await desk.told("jobs"))["jobs"]
    assert (other["kind"], other["node"], other["tenant_id"]) == ("later", "[red]node", ACME)
    assert (other["state"], other["attempts"]) == ("retrying", 2)
    assert (newest["state"], newest["tenant_id"]) == ("waiting", None)
    assert [one["id"] for one in (await desk.told("jobs", "--limit", "1"))["jobs"]] == [newest["id"]]
    table = (await desk.run("jobs")).stdout
    assert "later@[red]node" in table
    assert table.split()[0] == "kind"
    assert (await desk.told("jobs", "--kind", "audit"))["jobs"] == []
    for role, tenant in (("tenant-admin", ACME), ("tenant-viewer", BRAVO)):
        refused = await desk.run("jobs", role=role, tenant=tenant)
        assert (refused.exit_code, "needs a key of the platform" in refused.output) == (1, True)
    paged = [await desk.house.ask("GET", "/jobs", params={"limit": 1})]
    paged.append(await desk.house.ask("GET", "/jobs", params={"limit": 1, "cursor": paged[0].json()["next"]}))
    assert [answer.json()["items"][0]["id"] for answer in paged] == [newest["id"], other["id"]]
