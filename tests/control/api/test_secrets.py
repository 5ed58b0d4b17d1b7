"""A company's secrets by way of the API: set, tried, used by its stages, and never to be seen again."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio
import structlog
from msgspec import structs

from base.ids import AssistantName, TenantId
from base.secret import Secret
from pipelines.loaded import LoadedPipeline
from processors.factory import PrepareError
from tenants.secret_rows import MAX_SECRET_BYTES
from tenants.secret_store import PostgresSecrets
from tenants.secrets import TenantSecrets
from tests.control.api.house import ACME, BRAVO, NOBODY, ApiHouse, api_house, document, problem
from tests.pipelines.virtual import eventually
from tests.processors.llm import scripted
from tests.tenants.kept_secrets import former_file

pytestmark = [pytest.mark.postgres, pytest.mark.asyncio(loop_scope="module")]

DESK = f"/tenants/{ACME}"
ANA = AssistantName("ana")
USE = {"path": "$.assistants[0].pipeline[2].config.api_key", "assistant": "ana", "stage": "llm"}


class Model(scripted.Script):
    """The server of a language model; knows which key it was asked with."""

    async def key_of(self, pipeline: LoadedPipeline) -> str:
        """What the stage as it is prepared sends."""
        client = next(stage.held.value for stage in pipeline.stages if stage.checked.id == "llm")
        answer = await client.chat.completions.create(
            model="m", messages=[{"role": "user", "content": "x"}], stream=True
        )
        assert [chunk async for chunk in answer]
        return self.seen[-1][0]["authorization"].removeprefix("Bearer ")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def model() -> AsyncIterator[Model]:
    async with Model(scripted.OPENAI_HI) as opened:
        yield opened


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def house(model: Model) -> AsyncIterator[ApiHouse]:
    async with api_house(watch=False, endpoints={"gpu": f"http://127.0.0.1:{model.port}/v1"}) as opened:
        yield opened


def asking(tenant_id: TenantId, secret: str = "llm", **more: Any) -> str:
    """A document whose assistant asks the model with a key of that name."""
    config = f"{{model: m, base_url: {{endpoint: gpu}}, api_key: {{secret: {secret}}}}}"
    return document(tenant_id, **more).replace("use: llm.mock", f"use: llm.openai, config: {config}")


async def set_to(
    house: ApiHouse, value: str | bytes, name: str = "llm", desk: str = DESK, **params: Any
) -> httpx.Response:
    own = {} if desk != DESK else {"role": "tenant-admin", "tenant": ACME}
    return await house.ask("PUT", f"{desk}/secrets/{name}", **own, content=value, params=params)  # type: ignore[arg-type]


async def listed(house: ApiHouse, desk: str = DESK) -> dict[str, Any]:
    told = await house.ask("GET", f"{desk}/secrets")
    assert told.status_code == 200, told.text
    return dict(told.json())


async def put_document(house: ApiHouse, text: str) -> httpx.Response:
    headers = {"If-Match": (await house.ask("GET", f"{DESK}/document")).headers["etag"]}
    return await house.ask("PUT", f"{DESK}/document", content=text, headers=headers)


async def sent(house: ApiHouse, model: Model, tenant_id: TenantId = ACME) -> str:
    """The key that a call's question would go with."""
    async with house.service.supervisor.lease(tenant_id, ANA) as lease:
        return await model.key_of(lease.pipeline)


async def asks(house: ApiHouse, value: str = "sk-0") -> int:
    """The company's document names the secret, which has this value; its version."""
    told = await set_to(house, value, untested="true")
    assert told.status_code == 200, told.text
    assert (await put_document(house, asking(ACME))).status_code == 200
    version: int = told.json()["version"]
    return version


async def test_a_document_is_taken_once_the_secret_that_it_names_is_set(house: ApiHouse, model: Model) -> None:
    refused = await put_document(house, asking(ACME))
    assert problem(refused) == (422, "invalid-document")
    assert refused.json()["errors"][0]["path"] == USE["path"]
    told = await set_to(house, "sk-1\n")
    assert told.json() == {"name": "llm", "version": 1, "changed": True, "tried": False, "dry_run": False}
    assert (await put_document(house, asking(ACME))).status_code == 200
    assert await sent(house, model) == "sk-1"
    now = await listed(house)
    assert now["missing"] == []
    [one] = now["items"]
    assert (one["name"], one["version"], one["uses"]) == ("llm", 1, [USE])
    assert one["created_by"] == f"key {house.keys['tenant-admin', ACME].split('_')[1]}"


async def test_another_value_reaches_the_stages_and_an_equal_one_changes_nothing(house: ApiHouse, model: Model) -> None:
    version = await asks(house, "sk-1")
    told = await set_to(house, "sk-2")
    assert told.json() == {"name": "llm", "version": version + 1, "changed": True, "tried": True, "dry_run": False}
    assert await sent(house, model) == "sk-2"
    for body in ({"content": "sk-3"}, {"json": {"value": "sk-3"}}, {"content": " sk-3 \r\n"}):
        told = await house.ask("PUT", f"{DESK}/secrets/llm", "tenant-admin", ACME, **body)
        assert told.json()["version"] == version + 2, told.text
    assert (told.json()["changed"], await sent(house, model)) == (False, "sk-3")


async def test_a_live_call_goes_on_and_changes_over_or_does_not(house: ApiHouse, model: Model) -> None:
    await asks(house, "sk-1")
    supervisor = house.service.supervisor
    for swap, value, expected in (("drain", "sk-d", "sk-1"), ("turn", "sk-t", "sk-t")):
        await set_to(house, "sk-1", untested="true")
        await eventually(lambda: supervisor.secrets(ACME) == {("llm", house_version(house))})
        async with house.call(ACME) as call:
            [lease] = supervisor._leases.of(ACME)
            began = lease.loaded
            assert (await set_to(house, value, swap=swap)).status_code == 200
            assert await sent(house, model) == value, "the next call"
            if swap == "turn":
                await eventually(lambda was=began, of=lease: of.loaded is not was, limit_s=10.0)  # type: ignore[misc]
            assert await model.key_of(lease.pipeline) == expected
            assert house.service.board.call(ACME, call) is not None
            assert (await house.ask("POST", f"/live-calls/{call}/hang-up", "tenant-admin", ACME)).status_code == 204
            record = await house.service.stored(ACME, call, timeout_s=10)
        assert (record.errors, record.revisions) == ((), (record.call.revision,))


def house_version(house: ApiHouse) -> int:
    return house.service.secrets._secrets.version(ACME, "llm")


async def test_a_value_with_which_nothing_can_be_loaded_is_refused(house: ApiHouse, model: Model) -> None:
    version = await asks(house, "sk-1")
    for params in ({}, {"dry_run": "true"}):
        told = await set_to(house, "sk hush", **params)
        assert problem(told) == (424, "not-loadable")
        [error] = told.json()["errors"]
        assert (error["path"], error["line"]) == ("$.assistants[0].pipeline[2]", 14)
        assert "'llm' is no key" in error["message"]
        assert "hush" not in told.text
    assert (await listed(house))["items"][0]["version"] == version
    assert await sent(house, model) == "sk-1"
    tried = await set_to(house, "sk-2", dry_run="true")
    assert tried.json() == {"name": "llm", "version": version + 1, "changed": True, "tried": True, "dry_run": True}
    assert await sent(house, model) == "sk-1", "it was a dry run"
    assert (await house.ask("GET", DESK)).json()["problem"] is None


async def test_untested_it_is_kept_and_told_until_a_good_one_comes(house: ApiHouse, model: Model) -> None:
    version = await asks(house, "sk-1")
    told = await set_to(house, "sk hush", untested="true")
    assert told.json() == {"name": "llm", "version": version + 1, "changed": True, "tried": False, "dry_run": False}

    async def trouble() -> str:
        return str((await house.ask("GET", DESK)).json()["problem"])

    await eventually(lambda: ACME in house.service.secrets.renewal.problems)
    assert "a secret has changed, and what answers cannot be made ready with it" in await trouble()
    assert "hush" not in await trouble()
    assert await sent(house, model) == "sk-1", "what answered answers"
    assert (await set_to(house, "sk-2")).status_code == 200
    assert await sent(house, model) == "sk-2"
    await eventually(lambda: ACME not in house.service.secrets.renewal.problems)


async def test_a_secret_that_is_used_stays_and_a_removed_one_is_erased(house: ApiHouse) -> None:
    await asks(house)
    told = await house.ask("DELETE", f"{DESK}/secrets/llm", "tenant-admin", ACME)
    assert problem(told) == (409, "conflict")
    assert USE["path"] in told.json()["detail"]
    path = f"{DESK}/secrets/spare"
    assert problem(await house.ask("DELETE", path)) == (404, "not-found")
    assert problem(await house.ask("GET", f"{path}/versions")) == (404, "not-found")
    for value in ("one", "two"):
        await set_to(house, value, "spare")
    assert (await house.ask("DELETE", path, "tenant-admin", ACME)).status_code == 204
    assert problem(await house.ask("DELETE", path)) == (404, "not-found")
    assert "spare" not in str(await listed(house))
    assert (await set_to(house, "one", "spare")).json()["version"] == 3
    first = (await house.ask("GET", f"{path}/versions", params={"limit": 2})).json()
    rest = (await house.ask("GET", f"{path}/versions", params={"limit": 2, "cursor": first["next"]})).json()
    versions = [(one["version"], one["erased_at"] is None) for one in (*first["items"], *rest["items"])]
    assert (versions, rest["next"]) == ([(3, True), (2, False), (1, False)], None)
    assert (await house.ask("DELETE", path)).status_code == 204


async def test_what_answers_keeps_its_secret_also_when_the_document_names_it_no_more(house: ApiHouse) -> None:
    """As where a newer text is on trial beside it."""
    await asks(house)
    assert (await put_document(house, document(ACME, more="canary: {share: 50}\n"))).status_code == 200
    told = await house.ask("DELETE", f"{DESK}/secrets/llm", "tenant-admin", ACME)
    assert (problem(told), "what answers now" in told.text) == ((409, "conflict"), True)
    assert (await house.ask("POST", f"{DESK}/canary/abort")).status_code == 200


@pytest.mark.parametrize(
    ("body", "media_type", "expected"),
    [
        (b"", "text/plain", 400),
        (b" \n", "text/plain", 400),
        (b"hush\xff", "text/plain", 400),
        (b'{"value": "hush"', "application/json", 400),
        (b'{"value": 1234567}', "application/json", 400),
        (b'{"value": "hush", "name": "x"}', "application/json", 400),
        (b'"hush"', "application/json", 400),
        (b'{"value": ""}', "application/json", 400),
        (b'{"value": "\\ud800"}', "application/json", 400),
        (b"hush" * (MAX_SECRET_BYTES // 4) + b"x", "text/plain", 413),
        (b"hush" * 30_000, "text/plain", 413),
    ],
)
async def test_what_is_no_value_is_refused_and_quoted_nowhere(
    house: ApiHouse, body: bytes, media_type: str, expected: int
) -> None:
    headers = {"Content-Type": media_type}
    told = await house.ask("PUT", f"{DESK}/secrets/odd", "tenant-admin", ACME, content=body, headers=headers)
    assert problem(told)[0] == expected
    assert "hush" not in told.text
    assert "1234567" not in told.text
    assert "odd" not in str(await listed(house))


@pytest.mark.parametrize("name", ["Upper", "1", "a" * 64, "a%20b", "%2e%2e", "a%00", "a%0a", "a%2fb"])
async def test_what_is_no_name_is_refused(house: ApiHouse, name: str) -> None:
    assert problem(await set_to(house, "x", name))[0] in (400, 404, 405)
    for method, path in (("DELETE", f"{DESK}/secrets/{name}"), ("GET", f"{DESK}/secrets/{name}/versions")):
        assert problem(await house.ask(method, path))[0] in (400, 404, 405)


async def test_the_largest_value_is_kept(house: ApiHouse) -> None:
    largest = "x" * MAX_SECRET_BYTES
    assert (await set_to(house, largest, "large")).status_code == 200
    assert (await house.ask("DELETE", f"{DESK}/secrets/large")).status_code == 204


async def test_only_administrators_see_that_there_are_secrets(house: ApiHouse) -> None:
    await set_to(house, "x", "spare")
    for path in (f"{DESK}/secrets", f"{DESK}/secrets/spare/versions"):
        for role, own, expected in (
            ("tenant-viewer", ACME, 403),
            ("platform-viewer", None, 403),
            ("tenant-admin", BRAVO, 404),
            ("tenant-admin", ACME, 200),
            ("platform-admin", None, 200),
        ):
            assert (await house.ask("GET", path, role, own)).status_code == expected, (path, role)  # type: ignore[arg-type]
    assert problem(await house.ask("GET", f"/tenants/{NOBODY}/secrets")) == (404, "not-found")


async def test_a_value_is_in_no_answer_log_audit_entry_or_repr(house: ApiHouse) -> None:
    answers: list[str] = []

    async def ask(method: str, path: str, **given: Any) -> None:
        told = await house.ask(method, path, "tenant-admin", ACME, **given)
        answers.append(f"{told.status_code} {told.headers} {told.text}")

    with structlog.testing.capture_logs() as logged:
        await asks(house)
        for value in ("sk-hush-1", "sk-hush-2", "sk hush 3", "sk-hush-2"):
            await ask("PUT", f"{DESK}/secrets/llm", content=value)
        await ask("PUT", f"{DESK}/secrets/llm", json={"value": "sk hush 4"}, params={"untested": "true"})
        await ask("PUT", f"{DESK}/secrets/llm", json={"value": "sk-hush-5"})
        for path in (f"{DESK}/secrets", f"{DESK}/secrets/llm/versions", DESK, f"{DESK}/document", "/audit"):
            await ask("GET", path)
        await ask("GET", "/pipelines")
    supervised = repr(house.service.supervisor.status())
    held = [
        repr(stage.held._resource.key)
        for routes in house.service.supervisor._routes.values()
        for pipeline in routes.stable.pipelines.values()
        for stage in pipeline.stages
    ]
    for told in (*answers, str(logged), supervised, *held, repr(house.service.secrets)):
        assert "hush" not in told
    assert "secret put" in str(logged)
    entries = (await house.ask("GET", "/audit", "tenant-admin", ACME)).json()["items"]
    mine = [one for one in entries if one["action"] == "secret.put"]
    done = next(one for one in mine if one["outcome"] == "done")
    assert (done["object"], done["before"], done["after"]) == (
        "llm",
        {"version": done["after"]["version"] - 1},
        {"version": done["after"]["version"]},
    )
    assert any(one["outcome"] == "failed" for one in mine), "the one that could not be loaded"


async def test_a_company_that_is_not_there_yet_gets_its_secrets_first(house: ApiHouse, model: Model) -> None:
    desk = f"/tenants/{NOBODY}"
    assert (await set_to(house, "sk-new", desk=desk)).json()["version"] == 1
    assert [one["name"] for one in (await listed(house, desk))["items"]] == ["llm"]
    made = await house.ask("PUT", f"{desk}/document", content=asking(NOBODY), headers={"If-None-Match": "*"})
    assert made.status_code == 200, made.text
    assert await sent(house, model, NOBODY) == "sk-new"
    headers = {"If-Match": (await house.ask("GET", f"{desk}/document")).headers["etag"]}
    assert (await house.ask("DELETE", f"{desk}/document", headers=headers)).status_code == 204
    assert (await house.ask("DELETE", f"{desk}/secrets/llm")).status_code == 204


async def test_a_file_that_was_refused_for_want_of_a_secret_is_taken_when_it_is_set(
    house: ApiHouse, model: Model
) -> None:
    desk = f"/tenants/{NOBODY}"
    file = house.service.settings.tenants_dir / "late.yaml"
    await asyncio.to_thread(file.write_text, asking(NOBODY, secret="late"))
    await house.service.folder.refresh([file])
    assert not house.service.supervisor.answers(NOBODY)
    assert (await listed(house, desk))["missing"] == [{"name": "late", "uses": [USE]}]
    assert (await set_to(house, "sk-late", "late", desk)).status_code == 200
    await eventually(lambda: house.service.supervisor.answers(NOBODY), limit_s=10.0)
    assert await sent(house, model, NOBODY) == "sk-late"
    await _gone(house, file)


async def test_a_value_is_tried_for_a_company_that_waits_for_its_first_call(house: ApiHouse, model: Model) -> None:
    await asks(house, "sk-1")
    folder, supervisor = house.service.folder, house.service.supervisor
    waiting = folder.known(ACME)
    assert waiting is not None
    folder._cold.put(waiting)
    await supervisor.unload(ACME)
    refused = await set_to(house, "sk hush")
    assert (problem(refused), "hush" in refused.text) == ((424, "not-loadable"), False)
    assert (await set_to(house, "sk-2")).json()["tried"]
    assert not supervisor.answers(ACME), "it waits on"
    assert (await set_to(house, "x", "unused")).json()["tried"] is False
    await folder.warm(ACME)
    assert await sent(house, model) == "sk-2"
    assert (await house.ask("DELETE", f"{DESK}/secrets/unused")).status_code == 204


async def test_what_a_command_or_another_process_keeps_is_followed(house: ApiHouse, model: Model) -> None:
    await asks(house, "sk-1")
    here = house.service.secrets._secrets
    assert isinstance(here.store, PostgresSecrets)
    elsewhere = TenantSecrets(here.store, here.keys)
    row, _ = await elsewhere.next(
        ACME, "llm", Secret("sk-elsewhere"), at=house.service.clock.now(), by="command line x"
    )
    await elsewhere.keep(ACME, row)
    supervisor = house.service.supervisor
    await eventually(lambda: supervisor.secrets(ACME) == {("llm", row.info.version)}, limit_s=10.0)
    assert await sent(house, model) == "sk-elsewhere"


async def _gone(house: ApiHouse, file: Path) -> None:
    await asyncio.to_thread(file.unlink)
    await house.service.folder.refresh([file])


async def test_a_former_file_is_taken_over_and_without_a_database_what_answers_answers() -> None:
    """And nothing is set, and loading says why it fails."""

    def before(data_dir: Path) -> None:
        data_dir.mkdir(mode=0o700)
        former_file(data_dir, ACME, "llm", "sk-1")

    async with (
        Model(scripted.OPENAI_HI) as model,
        api_house(watch=False, before=before, endpoints={"gpu": f"http://127.0.0.1:{model.port}/v1"}) as house,
    ):
        assert not (house.service.settings.data_dir / "secrets").exists()
        assert (await put_document(house, asking(ACME))).status_code == 200
        assert [(one["version"], one["created_by"]) for one in (await listed(house))["items"]] == [(1, "service")]
        assert await sent(house, model) == "sk-1"
        revision = house.service.supervisor._routes[ACME].stable.revision
        await house.database_goes()
        assert problem(await set_to(house, "sk-2")) == (503, "unavailable")
        for method, path in (("GET", "/secrets"), ("GET", "/secrets/llm/versions"), ("DELETE", "/secrets/llm")):
            assert problem(await house.ask(method, f"{DESK}{path}", "tenant-admin", ACME)) == (503, "unavailable")
        with pytest.raises(PrepareError, match=r"stage 'llm'.*'llm' cannot be read now: the database does not"):
            await house.service.supervisor.load(structs.replace(revision, tenant_id=BRAVO))
        assert await sent(house, model) == "sk-1"
