"""Several PBXs ring one service: each call's own is told by the address that it connects from, and by nothing else."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from ipaddress import ip_network

import structlog

from control.peer import Dialed, HangUp, Script, Switch
from control.phone import PhoneOptions
from tenants.signing import SIGNATURE_VARIABLE
from tests.calls.callers import TENANT, document, hears, tenant
from tests.calls.house import House, Rung, house
from tests.calls.test_refusals import refused
from transports.freeswitch.peers import PeerSwitch

MATRIZ, FILIAL = (
    PeerSwitch(name="matriz", networks=(ip_network("127.0.0.1/32"),)),
    PeerSwitch(name="filial", networks=(ip_network("127.0.0.2/32"),)),
)
SHORT = Script(steps=(hears(), HangUp()), limit_s=10)
ANYWHERE, BRANCH = tenant(2), tenant(3)
DOCUMENTS = (
    document(switch="matriz"),
    document("anywhere", tenant_id=ANYWHERE, number="200"),
    document("branch", tenant_id=BRANCH, number="300", switch="filial"),
)


class Pbxs:
    """A house, and two PBXs beside it."""

    def __init__(self, home: House, filial: Switch) -> None:
        self.home = home
        self.matriz, self.filial = home.switch, filial

    async def call(self, pbx: Switch, dialed: Dialed) -> Rung:
        return await self.home.ring(pbx.dial(dialed, SHORT), pbx)


@asynccontextmanager
async def pbxs(options: PhoneOptions | None = None, filial_from: str = "127.0.0.2") -> AsyncIterator[Pbxs]:
    async with house(*DOCUMENTS, switches=(MATRIZ, FILIAL), options=options) as home:
        host, port = home.door.address
        async with Switch(host, port, local_host=filial_from) as filial:
            yield Pbxs(home, filial)


async def test_a_tenant_that_names_a_switch_is_rung_by_no_other() -> None:
    async with pbxs() as both:
        us, branch = both.home.dialed(), both.home.dialed("300", tenant_id=BRANCH)
        refused(await both.call(both.filial, us), "failed")
        refused(await both.call(both.matriz, branch), "failed")
        ours, theirs = await both.call(both.matriz, us), await both.call(both.filial, branch)
        assert (ours.record.call.tenant_id, ours.record.call.switch) == (TENANT, "matriz")
        assert (theirs.record.call.tenant_id, theirs.record.call.switch) == (BRANCH, "filial")
        assert ours.heard() == theirs.heard() == ["Welcome to us"]


async def test_a_tenant_that_names_none_is_rung_by_all() -> None:
    async with pbxs() as both:
        anywhere = both.home.dialed("200", tenant_id=ANYWHERE)
        for pbx, name in ((both.matriz, "matriz"), (both.filial, "filial")):
            assert (await both.call(pbx, anywhere)).record.call.switch == name


async def test_what_a_switch_says_of_itself_decides_nothing() -> None:
    told = {"atende_switch": "matriz", "switch": "matriz", "sip_network_ip": "127.0.0.1", "sip_h_X-switch": "matriz"}
    async with pbxs() as both:
        refused(await both.call(both.filial, both.home.dialed(variables=told)), "failed")


async def test_the_log_names_the_switch_and_no_secret() -> None:
    async with pbxs() as both:
        dialed = both.home.dialed()
        with structlog.testing.capture_logs(processors=[structlog.contextvars.merge_contextvars]) as lines:
            await both.call(both.filial, dialed)
            await both.call(both.matriz, dialed)
        [line] = [line for line in lines if line["event"] == "call refused"]
        assert line["switch"] == "filial"
        assert line["reason"] == "the tenant's calls come from the switch matriz"
        assert dialed.variables[SIGNATURE_VARIABLE] not in str(lines)
        named = {line["call"]: line["switch"] for line in lines if "call" in line and "switch" in line}
        assert sorted(named.values()) == ["filial", "matriz"], "also behind the answer"


async def test_who_is_none_of_the_switches_is_not_let_in() -> None:
    async with pbxs(filial_from="127.0.0.3") as both:
        with structlog.testing.capture_logs() as lines:
            refused(await both.call(both.filial, both.home.dialed("200", tenant_id=ANYWHERE)), "failed")
        assert [line["peer"] for line in lines if "not allowed" in line["event"]] == ["127.0.0.3"]


async def test_a_switch_may_have_a_wire_of_its_own() -> None:
    async with pbxs(PhoneOptions(switch_wires={"filial": "audio_fork"})) as both:
        anywhere = both.home.dialed("200", tenant_id=ANYWHERE)
        assert (await both.call(both.matriz, anywhere)).heard() == ["Welcome to us"]
        assert both.home.media_server.taken == 0
        assert (await both.call(both.filial, anywhere)).heard() == ["Welcome to us"]
        assert both.home.media_server.taken == 1
        asked = both.home.dialed("200", tenant_id=ANYWHERE, variables={"atende_wire": "unicast"})
        await both.call(both.filial, asked)
        assert both.home.media_server.taken == 1, "the dialplan goes before"
