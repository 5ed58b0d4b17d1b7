"""PostgreSQL goes, in order and killed, and comes again: calls go on, nothing that was accepted or recorded is lost."""

import asyncio
import hashlib
import os
import shutil
import signal
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from base.secret import Secret
from tenants.embedded import EmbeddedPostgres
from tenants.migrate import connect
from tests.control.api.house import ACME, ApiHouse, api_house, document
from tests.pipelines.virtual import eventually

pytestmark = [pytest.mark.postgres, pytest.mark.asyncio(loop_scope="module")]

DOCUMENT = f"/tenants/{ACME}/document"


class Server:
    """A PostgreSQL beside the service."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._server = EmbeddedPostgres(folder)

    @property
    def url(self) -> Secret:
        return self._server.url("postgres")

    async def start(self) -> None:
        await asyncio.to_thread(self._server.start)

    async def stop(self) -> None:
        await asyncio.to_thread(self._server.stop)

    async def kill(self) -> None:
        pid = int((self._folder / "postgres" / "postmaster.pid").read_text().split()[0])
        os.kill(pid, signal.SIGKILL)
        await asyncio.to_thread(os.waitpid, pid, 0)
        await self.stop()

    async def ask(self, query: str) -> list[Any]:
        owner = await connect(self.url)
        try:
            return list(await owner.fetch(query))
        finally:
            await owner.close()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server() -> AsyncIterator[Server]:
    folder = tempfile.mkdtemp(prefix="atende-test-")
    os.chmod(folder, 0o755)  # noqa: PTH101 - the server may run as a user of its own
    found = Server(Path(folder, "database"))
    await found.start()
    yield found
    await found.stop()
    shutil.rmtree(folder)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def house(server: Server) -> AsyncIterator[ApiHouse]:
    async with api_house(watch=False, database_url=server.url, api_requests_per_s=1000) as opened:
        yield opened


def database_of(house: ApiHouse) -> str:
    view = house.service.readiness(rows=False)
    assert view.ready, "it is no reason to be taken out of service"
    return next(one.state for one in view.dependencies if one.name == "database")


async def test_calls_go_on_without_a_database_and_their_records_come_afterwards(
    server: Server, house: ApiHouse
) -> None:
    spool = house.service.call_log
    async with house.call(ACME) as before:
        await server.stop()
        async with house.call(ACME) as meanwhile:
            assert {view.call.id for view in house.service.board.calls(ACME)} == {before, meanwhile}
            assert house.service.phone.hang_up(ACME, meanwhile)
            await eventually(lambda: house.service.phone.live_calls == 1, 10.0)
        await eventually(lambda: database_of(house) == "degraded", 20.0)
        assert (await spool.load()).waiting >= 1
        assert house.service.board.call(ACME, before) is not None, "nobody was dropped"
        await server.start()
        await eventually(lambda: database_of(house) == "ok", 20.0)
        assert house.service.phone.hang_up(ACME, before)
    found = {call: await house.service.stored(ACME, call, 30.0) for call in (before, meanwhile)}
    assert [record.end_reason for record in found.values()] == ["ended_by_operator"] * 2

    async def told() -> list[tuple[str, str]]:
        rows = await server.ask("SELECT kind, subject FROM atende.events WHERE kind ~ '^(call|database)' ORDER BY id")
        return [(row["kind"], row["subject"]) for row in rows]

    async with asyncio.timeout(20):
        while len(kinds := await told()) < 6:
            pass
    calls = [one for one in kinds if one[0].startswith("call")]
    assert sorted(calls) == sorted((f"call.{what}", call) for call in found for what in ("started", "ended"))
    for call in found:
        assert calls.index(("call.started", call)) < calls.index(("call.ended", call))
    assert [kind for kind, _ in kinds if kind.startswith("database")] == ["database.away", "database.back"]


async def test_what_was_accepted_outlives_a_kill_and_nothing_is_half_there(server: Server, house: ApiHouse) -> None:
    accepted: dict[int, str] = {}
    over = asyncio.Event()

    async def put_on() -> None:
        turn = 0
        while not over.is_set():
            turn += 1
            stands = await house.ask("GET", DOCUMENT)
            if stands.status_code != 200:
                assert stands.status_code == 503, stands.text
                continue
            text = document(ACME, greeting=f"Hello {turn}")
            told = await house.ask("PUT", DOCUMENT, content=text, headers={"If-Match": stands.headers["etag"]})
            if told.status_code == 200:
                accepted[told.json()["revision"]] = hashlib.sha256(text.encode()).hexdigest()
            else:
                assert told.status_code == 503, told.text

    putting = asyncio.create_task(put_on())
    await eventually(lambda: len(accepted) >= 2 or putting.done(), 30.0)
    await server.kill()
    await server.start()
    before = len(accepted)
    await eventually(lambda: len(accepted) > before + 1 or putting.done(), 30.0)
    over.set()
    await putting
    rows = await server.ask(
        f"SELECT number, digest, document FROM atende.revisions WHERE tenant_id = '{ACME}' ORDER BY number"
    )
    assert [row["number"] for row in rows] == list(range(1, len(rows) + 1))
    assert [hashlib.sha256(row["document"]).hexdigest() for row in rows] == [row["digest"] for row in rows]
    kept = {row["number"]: row["digest"] for row in rows}
    assert accepted == {number: kept.get(number) for number in accepted}
    told = await server.ask(
        "SELECT subject::int AS number, count(*) AS times FROM atende.events "
        f"WHERE tenant_id = '{ACME}' AND kind = 'document.published' GROUP BY 1 ORDER BY 1"
    )
    assert [(row["number"], row["times"]) for row in told] == [(number, 1) for number in kept]
