"""A finished call's audio by way of the API: for whoever may see the call, and never another file."""

from collections.abc import AsyncIterator
from zlib import crc32

import pytest
import pytest_asyncio
from msgspec import structs

from base.ids import CallId
from tests.control.api.house import ACME, BRAVO, ApiHouse, api_house, problem
from tests.control.api.test_calls import record
from tests.control.api.test_isolation import FINISHED, finished, recorded

pytestmark = [pytest.mark.postgres, pytest.mark.asyncio(loop_scope="module")]

OURS = f"/calls/{FINISHED[ACME]}/recording"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def house() -> AsyncIterator[ApiHouse]:
    async with api_house(watch=False) as opened:
        for tenant_id in (ACME, BRAVO):
            await opened.service.conversations.store(tenant_id, finished(tenant_id))
        yield opened


async def test_whoever_may_see_the_call_may_hear_it(house: ApiHouse) -> None:
    path = recorded(house, finished(ACME))
    path.write_bytes(sound := b"RIFF" + bytes(range(256)) * 10_000)
    for role, tenant, query in (
        ("tenant-viewer", ACME, {}),
        ("tenant-admin", ACME, {"domain_uuid": ACME}),
        ("platform-viewer", None, {"domain_uuid": ACME}),
    ):
        told = await house.ask("GET", OURS, role, tenant, params=query)  # type: ignore[arg-type]
        assert (told.status_code, told.headers["content-type"]) == (200, "audio/wav")
        assert told.headers["content-length"] == str(len(sound))
        assert told.headers["content-disposition"] == f'attachment; filename="{FINISHED[ACME]}.wav"'
        assert "content-encoding" not in told.headers
        assert told.content == sound
    assert problem(await house.ask("GET", OURS, "tenant-admin", BRAVO)) == (404, "not-found")


async def test_what_is_not_on_this_node_is_told_so(house: ApiHouse) -> None:
    path = recorded(house, finished(ACME))
    path.unlink()
    told = await house.ask("GET", OURS, "tenant-viewer", ACME)
    assert problem(told) == (404, "not-found")
    assert "not on this node" in told.json()["detail"]
    await house.service.conversations.store(ACME, record(1))
    told = await house.ask("GET", f"/calls/{record(1).call.id}/recording", "tenant-viewer", ACME)
    assert problem(told) == (404, "not-found")
    assert "has no recording" in told.json()["detail"]


@pytest.mark.parametrize("name", ["recordings/{bravo}/2026-11-26/{call}.wav", "../x.wav", "/etc/passwd", "recordings"])
async def test_no_record_leads_out_of_its_companys_folder(house: ApiHouse, name: str) -> None:
    recorded(house, finished(BRAVO))
    call = structs.replace(finished(ACME).call, id=CallId(f"d2317f64-4e50-42fb-9843-{crc32(name.encode()):012d}"))
    written = name.format(bravo=BRAVO, call=FINISHED[BRAVO])
    await house.service.conversations.store(ACME, structs.replace(finished(ACME), call=call, recording=written))
    told = await house.ask("GET", f"/calls/{call.id}/recording", "tenant-viewer", ACME)
    assert problem(told) == (404, "not-found")
