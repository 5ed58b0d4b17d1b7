"""The model server is killed under live calls: none is dropped, no other is taken, and what was said is answered when
it is back.
"""

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from base.ids import CallId
from control.peer import CallResult, Dialed, HangUp, Hears, Say, Script, Switch, Wait, WaitFor
from processors.served.answers import AWAY
from tenants.signing import NUMBER_VARIABLE, SIGNATURE_VARIABLE, TENANT_VARIABLE, sign
from tests.calls.callers import SPEECH
from tests.control.api.house import ACME, BRAVO, ApiHouse, api_house, document
from tests.control.models_role.serving import HEARD
from tests.pipelines.virtual import eventually

pytestmark = pytest.mark.postgres
ROOT = Path(__file__).parents[3]
SERVED = document(ACME).replace("stt.mock", "stt.whisper").replace(
    "tts.mock, config: {word_s: 0.1}", "tts.kokoro"
)  # fmt: skip
LISTENS = WaitFor(what=Hears.SPEECH_END, quiet_ms=200, limit_s=15.0)


class Servers:
    """One that serves, and one that waits to take its place."""

    def __init__(self, folder: Path) -> None:
        self.socket = folder / "m.sock"
        self._spares = [folder / "second.sock"]
        self._processes = {path: self._start(path) for path in (self.socket, *self._spares)}

    def _start(self, path: Path) -> "subprocess.Popen[bytes]":
        command = [sys.executable, "-m", "tests.control.models_role.serving", str(path)]
        return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    async def ready(self) -> None:
        await eventually(lambda: all(path.exists() for path in self._processes), 60)

    def kill(self) -> None:
        """Without a word; its socket stays where it was."""
        process = self._processes[self.socket]
        process.kill()
        process.wait()

    def back(self) -> None:
        self._spares.pop().replace(self.socket)

    def end(self) -> None:
        for process in self._processes.values():
            process.kill()
            process.wait()


@pytest.fixture
def servers(tmp_path: Path) -> Iterator[Servers]:
    started = Servers(tmp_path)
    try:
        yield started
    finally:
        started.end()


@pytest.fixture
async def house(servers: Servers) -> AsyncIterator[ApiHouse]:
    def before(data: Path) -> None:
        (data.parent / "tenants" / "acme.yaml").write_text(SERVED)

    await servers.ready()
    async with api_house(before=before, models_url=f"unix://{servers.socket}") as made:
        yield made


def dialed(house: ApiHouse, tenant_id: str) -> Dialed:
    signature = sign(house.service.keys, tenant_id, "100")  # type: ignore[arg-type]
    variables = {TENANT_VARIABLE: tenant_id, NUMBER_VARIABLE: "100", SIGNATURE_VARIABLE: signature}
    return Dialed(number="100", variables=variables)


@asynccontextmanager
async def speaking(house: ApiHouse, switch: Switch) -> AsyncIterator[tuple[CallId, "asyncio.Task[CallResult]"]]:
    """A caller who hears the greeting, is silent for a second, asks something, and stays on the line."""
    script = Script(steps=(LISTENS, Wait(1.0), Say(SPEECH), LISTENS, Wait(60), HangUp()), limit_s=90)
    before = {view.call.id for view in house.service.board.calls(ACME)}
    call = switch.dial(dialed(house, ACME), script)
    ringing = asyncio.create_task(switch.ring(call))

    def greeted() -> list[CallId]:
        return [view.call.id for view in house.service.board.calls(ACME) if view.call.id not in before and view.turns]

    try:
        await eventually(lambda: bool(greeted()) or ringing.done(), 20)
        yield greeted()[0], ringing
    finally:
        call.hang_up()
        await asyncio.gather(ringing, return_exceptions=True)


def said(house: ApiHouse, call_id: CallId) -> list[tuple[str, str]]:
    detail = house.service.board.call(ACME, call_id)
    assert detail is not None
    return [(turn.role, turn.text) for turn in detail.transcript]


async def test_killed_under_live_calls_none_is_dropped_and_what_was_said_is_answered_when_it_is_back(
    house: ApiHouse, servers: Servers
) -> None:
    service = house.service
    assert service.served is not None
    server = service.served
    assert service.supervisor.weight_mb < 100, "the models' memory is the server's"
    async with Switch(*service.address) as switch, speaking(house, switch) as (call_id, ringing):
        servers.kill()
        await eventually(lambda: server.away and service.phone.full is not None, 10)
        full = service.phone.full
        assert full is not None
        assert (full.by, AWAY in full.told) == ("stt", True)
        down = {one.name: one.state for one in service.readiness().dependencies}
        assert (down["model server"], service.readiness().ready) == ("down", False)
        assert b"atende_model_server_up 0.0" in await service.scraped()
        refused = await switch.call(dialed(house, ACME), Script(steps=(Wait(5), HangUp()), limit_s=20))
        assert (refused.ended_by, refused.door, refused.answered) == ("dialplan", "busy", False)
        needs_none = switch.dial(dialed(house, BRAVO), Script(steps=(LISTENS, HangUp()), limit_s=30))
        assert (await switch.ring(needs_none)).answered, "an assistant that needs no model is not kept waiting"
        # The caller has asked by now, or does so while nobody understands it.
        servers.back()
        await eventually(lambda: ("caller", HEARD.text) in said(house, call_id), 20)
        await eventually(lambda: any(HEARD.text in text for role, text in said(house, call_id)[1:] if role != "caller"))
        assert not ringing.done()
        await eventually(lambda: service.phone.full is None, 10)
        assert {one.name: one.state for one in service.readiness().dependencies}["model server"] == "ok"
        assert b"atende_model_server_up 1.0" in await service.scraped()
        async with speaking(house, switch) as (again, _):
            assert said(house, again)[0][1] == "Welcome to acme"
    record = await service.stored(ACME, call_id, 15)
    assert (record.end_reason, record.errors) == ("caller_hangup", ())
