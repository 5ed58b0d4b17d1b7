"""`atende doctor`: each judgement, and the whole of it against a switch that answers as the real one."""

import asyncio
import re
from collections.abc import Callable
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner, Result

from base.secret import Secret
from control import doctor, findings
from control.cli.context import Program
from control.cli.doctor import doctor_command
from control.dialplan.switch_files import event_socket_xml
from control.doctor import examine
from control.findings import Finding, exit_code
from control.settings import Settings
from control.switches import Switch
from processors.models.store import ModelState, ModelStore
from tests.control.dialplan.plans import plan
from tests.transports.freeswitch.captures import from_switch, messages
from tests.transports.freeswitch.test_esl_client import USER, Seat, directory, reply, response, switch

ROOT = Path(__file__).parents[2]
VERSION = "FreeSWITCH Version 1.11.2-release+git~20260809T162310Z~3f13ad1b1d~64bit"


class TestJudgements:
    def test_the_recorded_version_is_good(self) -> None:
        [text] = [m.decode() for m in messages(from_switch("esl_inbound.plain")) if b"FreeSWITCH Version" in m]
        finding = findings.of_version(text, {"mod_sofia", "mod_verto"})
        assert (finding.level, finding.text) == ("ok", "FreeSWITCH 1.11.2")

    @pytest.mark.parametrize(
        ("version", "modules", "cves"),
        [
            ("1.11.1", {"mod_sofia"}, {"CVE-2026-116779", "CVE-2026-116790"}),
            ("1.11.1", {"mod_xml_rpc"}, {"CVE-2026-116785", "CVE-2026-116790"}),
            ("1.11.0", {"mod_verto"}, {"CVE-2026-49840", "CVE-2026-49841", "CVE-2026-116790"}),
            ("1.10.12", set(), {"CVE-2026-49840", "CVE-2026-116790"}),
        ],
    )
    def test_vulnerabilities_that_apply_are_named(self, version: str, modules: set[str], cves: set[str]) -> None:
        seen = findings.of_version(f"FreeSWITCH Version {version}-release", modules)
        assert set(re.findall(r"CVE-[0-9-]+", seen.text)) == cves
        assert (seen.name, seen.level, "1.11.2" in seen.fix) == ("switch version", "fail", True)

    def test_a_newer_version_and_one_that_is_not_understood(self) -> None:
        assert findings.of_version("FreeSWITCH Version 2.0.0", {"mod_verto"}).level == "ok"
        assert findings.of_version("Asterisk 22", set()).level == "warn"

    @pytest.mark.parametrize(
        ("password", "level"), [("ClueCon", "fail"), ("CHANGE-ME", "fail"), ("hunter2", "warn"), ("x" * 16, "ok")]
    )
    def test_passwords(self, password: str, level: str) -> None:
        finding = findings.of_password(password)
        assert finding.level == level
        assert level == "fail" or password not in finding.text + finding.fix

    def test_a_known_password_is_changed_as_the_documentation_and_the_printed_file_say(self) -> None:
        docs = (ROOT / "docs" / "freeswitch.md").read_text(encoding="utf-8")
        printed = event_socket_xml(plan(), Switch(name="default", host="127.0.0.1"))
        for text in (findings.of_password("ClueCon").fix, docs, printed):
            for word in ("switch.event_socket.password", "/etc/fusionpbx/config.conf", "restart FreeSWITCH"):
                assert word in " ".join(text.replace("`", "").split()), text

    def test_codecs_latency_clock_disk_ports(self) -> None:
        assert (findings.of_codecs(CODECS).level, findings.of_codecs(CODECS).text) == ("ok", "PCMU, PCMA")
        wideband = CODECS + "codec,G.722,mod_spandsp\ncodec,OPUS (STANDARD),mod_opus\n"
        assert findings.of_codecs(wideband).text == "PCMU, PCMA, G722, opus"
        assert findings.of_codecs(CODECS.replace("G.711 alaw", "G.722")).text == "no PCMA"
        assert findings.of_latency([0.5] * 20).level == "ok"
        assert findings.of_latency([0.5] * 19 + [80.0]).level == "warn"
        assert findings.of_clock([0.2] * 100).level == "ok"
        assert findings.of_clock([0.2] * 90 + [30.0] * 10).level == "fail"
        assert [f.level for f in findings.of_disk(50 << 30, 2.0)] == ["ok", "ok"]
        assert [f.level for f in findings.of_disk(1 << 30, 200.0)] == ["warn", "warn"]
        door = ("phone door", "127.0.0.1", 8084)
        free = findings.of_port(*door, free=True, ours=False)
        assert (free.level, free.text) == ("ok", "127.0.0.1:8084 is free: Atende is not running")
        assert findings.of_port(*door, free=False, ours=True).level == "ok"
        assert findings.of_port(*door, free=False, ours=False).level == "fail"
        assert findings.of_port(*door, free=True, ours=True).level == "fail", "we run, but not there"

    def test_a_wire_that_is_wanted_has_to_be_there(self) -> None:
        assert findings.of_modules({"mod_audio_fork"}, ("unicast", "audio_fork")).level == "ok"
        missing = findings.of_modules(set(), ("unicast", "audio_fork"))
        assert (missing.level, "mod_audio_fork" in missing.fix) == ("fail", True)

    def test_audio_may_be_near_or_on_a_private_network(self) -> None:
        private, public = ip_network("10.77.0.0/24"), ip_network("8.8.8.0/24")
        assert findings.of_media_network((), "127.0.0.1", here=True).level == "ok"
        assert findings.of_media_network((private,), "10.77.0.2", here=True).level == "ok"
        told = findings.of_media_network((private, public), "0.0.0.0", here=True)
        assert (told.level, "WireGuard" in told.fix) == ("warn", True)
        assert findings.of_media_network((private,), "10.77.0.2", here=False).level == "fail"

    def test_only_a_failure_fails(self) -> None:
        assert exit_code([Finding(name="a", level=level, text="") for level in ("ok", "warn", "skip")]) == 0  # type: ignore[arg-type]
        assert exit_code([Finding(name="a", level="fail", text="")]) == 1


CODECS = "type,name,ikey\ncodec,G.711 alaw,CORE_PCM_MODULE\ncodec,G.711 ulaw,CORE_PCM_MODULE\n\n2 total.\n"
"""Not recorded: the head and the two lines as people show them of their `show codec`, without the other codecs.

Codecs are named as the interfaces are, not as in SDP; `OPUS (STANDARD)` is mod_opus's.
"""


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """With a clock that is looked at for a tenth of a second only."""
    monkeypatch.setattr(doctor, "BEATS", 5)
    return Settings(data_dir=tmp_path / "data", tenants_dir=ROOT / "configs" / "tenants", esl_port=0, http_port=1)


async def seen(settings: Settings) -> dict[str, Finding]:
    return {finding.name: finding async for finding in examine(settings)}


def answers(**by_command: str) -> Callable[[Seat], Any]:
    async def behave(seat: Seat) -> None:
        await seat.lets_in()
        while True:
            command = (await seat.hears()).removeprefix("api ")
            if command == "exit":
                seat.say(reply("+OK bye"))
                return
            module, stranger = command.partition("module_exists ")[2], command.partition("acl ")[2]
            if module:
                seat.say(response("true" if module in by_command.get("modules", "") else "false"))
            elif stranger:
                seat.say(response("true" if stranger in by_command.get("acl", "") else "false"))
            else:
                seat.say(response(by_command.get(command.split()[0], "x")))

    return behave


async def test_a_switch_that_is_well(settings: Settings) -> None:
    behave = answers(version=VERSION, modules="mod_sofia mod_audio_fork", show=CODECS)
    async with switch(behave) as address:
        found = await seen(
            msgspec.structs.replace(settings, switch_port=address.port, switch_password=Secret("secret"))
        )
    assert found["event socket"].level == "ok"
    assert found["switch version"].text == "FreeSWITCH 1.11.2"
    assert found["wires"].text == "unicast, audio_fork"
    assert found["codecs"].level == "ok"
    assert found["event socket password"].level == "warn"
    assert found["event socket access"].level == "warn", "this one does not tell its configuration"


LIMITS = {
    "event socket latency": ("SLOW_SOCKET_MS", 1e9, -1.0, "warn"),
    "disk": ("LITTLE_DISK_BYTES", 0, 1 << 62, "warn"),
    "disk speed": ("SLOW_DISK_MS", 1e9, -1.0, "warn"),
    "clock": ("LATE_CLOCK_MS", 1e9, -1e9, "fail"),
}
"""By each line, its limit, one that everything keeps, one that nothing can, and what is made of that."""


async def test_what_is_measured_is_held_against_its_limit(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    async with switch(answers(version=VERSION, show=CODECS)) as address:
        measured = msgspec.structs.replace(settings, switch_port=address.port, switch_password=Secret("secret"))
        for side, fixed in ((1, False), (2, True)):
            for limit in LIMITS.values():
                monkeypatch.setattr(findings, limit[0], limit[side])
            found = await seen(measured)
            for line, limit in LIMITS.items():
                assert (found[line].level, bool(found[line].fix)) == (limit[3] if fixed else "ok", fixed), line
                assert re.search(r"\d (ms|GiB)", found[line].text), "what was measured is told"


@pytest.mark.parametrize("secret", ["pa ss", "wrong"])
async def test_a_switch_is_looked_at_as_a_user_of_its_directory(settings: Settings, secret: str) -> None:
    async with switch(directory) as address:
        given = msgspec.structs.replace(settings, switch_port=address.port, switch_password=Secret(secret))
        [default] = msgspec.structs.replace(given, switch_user=USER).all_switches
        found = {finding.name: finding async for finding in examine(given, default)}
    assert "pa ss" not in str(found)
    if secret == "wrong":
        assert (found["event socket"].level, "refused the login" in found["event socket"].text) == ("fail", True)
        assert (
            found["event socket"].fix
            == f"ATENDE_SWITCH_PASSWORD is not the password that the switch has for the user {USER}"
        )
        return
    assert found["event socket"].level == "ok"
    assert found["switch version"].text == "FreeSWITCH 1.11.2"
    assert found["event socket access"].level == "warn", "it may not ask for that"


async def test_a_switch_that_is_not_there_is_one_line_and_the_rest_is_looked_at(settings: Settings) -> None:
    found = await seen(msgspec.structs.replace(settings, switch_port=1, switch_password=Secret("secret")))
    assert found["event socket"].level == "fail"
    assert "127.0.0.1:1" in found["event socket"].text
    assert found["event socket"].fix.startswith("is FreeSWITCH running?")
    assert "secret" not in str(found)
    assert found["tenants"].level == "ok"
    assert found["models"].level == "fail"
    assert "atende models pull" in found["models"].fix
    assert found["database"].level == "ok"


async def test_every_switch_is_looked_at_and_one_that_is_away_hides_no_other(settings: Settings) -> None:
    behave = answers(version=VERSION, modules="mod_sofia", show=CODECS)
    async with switch(behave) as address:
        here = Switch(name="filial", host="127.0.0.1", port=address.port, password=Secret("secret"), wire="audio_fork")
        away = Switch(name="matriz", host="127.0.0.1", port=1, password=Secret("secret"))
        silent = Switch(name="nova", host="10.77.0.9")
        plain = msgspec.structs.replace(here, name="plain", wire=None)
        wires = ("unicast", "audio_fork")
        several = msgspec.structs.replace(settings, switches=(away, here, plain, silent), wires=wires)
        found = [finding async for finding in examine(several)]
        alone = [finding async for finding in examine(several, here)]
    blocks: dict[str, dict[str, Finding]] = {}
    for finding in found:
        blocks.setdefault(finding.switch, {})[finding.name] = finding
    assert list(blocks) == ["matriz", "filial", "plain", "nova", ""], "one block each, and what is nobody's"
    assert blocks["matriz"]["event socket"].level == "fail"
    assert blocks["filial"]["switch version"].level == "ok"
    assert blocks["filial"]["wires"].fix == "load mod_audio_fork, or change ATENDE_SWITCH_FILIAL_WIRE"
    assert blocks["plain"]["wires"].level == "ok", "its calls come by the first of the wires"
    assert blocks["nova"]["event socket"].level == "skip"
    assert "ATENDE_SWITCH_NOVA_PASSWORD" in blocks["nova"]["event socket"].fix
    assert "secret" not in str(found)
    assert {finding.switch for finding in alone} == {"filial"}
    assert {finding.name for finding in alone} == set(blocks["filial"])


async def test_the_switch_without_a_name_is_looked_at_beside_others_when_it_has_a_password(settings: Settings) -> None:
    named = msgspec.structs.replace(settings, switches=(Switch(name="matriz", host="10.77.0.1"),), switch_port=1)
    both = msgspec.structs.replace(named, switch_password=Secret("secret"))
    for given, switches in ((named, {"matriz", ""}), (both, {"matriz", "default", ""})):
        assert {finding.switch async for finding in examine(given)} == switches


async def test_a_page_of_another_program_is_not_us(settings: Settings) -> None:
    async def page(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhi")
        writer.close()

    server = await asyncio.start_server(page, "127.0.0.1", 0)
    found = await seen(msgspec.structs.replace(settings, http_port=server.sockets[0].getsockname()[1]))
    server.close()
    assert found["HTTP door"].level == "fail"


async def test_without_a_password_the_switch_is_left_out(settings: Settings) -> None:
    found = await seen(settings)
    assert found["event socket"].level == "skip"
    assert "ATENDE_SWITCH_PASSWORD" in found["event socket"].fix


async def test_a_port_that_somebody_else_has_and_documents_that_are_broken(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "bad.yaml").write_text("slug: x\n")
    server = await asyncio.start_server(lambda r, w: None, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    found = await seen(msgspec.structs.replace(settings, esl_port=port, tenants_dir=tmp_path))
    server.close()
    assert found["phone door"].level == "fail"
    assert found["tenants"].level == "fail"
    assert "bad.yaml" in found["tenants"].text


async def test_an_address_that_the_machine_does_not_have(settings: Settings) -> None:
    away = msgspec.structs.replace(settings, media_host="203.0.113.77", media_network=(ip_network("203.0.113.0/24"),))
    assert (await seen(away))["media network"].text == "this machine has no address 203.0.113.77"
    assert (await seen(settings))["media network"].text == "loopback alone"
    filial = Switch(name="filial", host="127.0.0.1", media_host="203.0.113.78")
    several = [finding async for finding in examine(msgspec.structs.replace(settings, switches=(filial,)))]
    [own] = [one for one in several if (one.name, one.switch) == ("media network", "filial")]
    assert (own.level, "ATENDE_SWITCH_FILIAL_MEDIA_HOST" in own.fix) == ("fail", True)
    forks = msgspec.structs.replace(away, wires=("audio_fork",), media_socket_port=0)
    assert "media network" not in await seen(forks)


async def test_a_look_that_breaks_is_a_line(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    async def breaks(_: Settings) -> list[Finding]:
        raise RuntimeError("oh")

    monkeypatch.setitem(doctor.LOOKS, "clock", breaks)
    found = await seen(settings)
    assert found["clock"].level == "fail"
    assert "oh" in found["clock"].text
    assert found["disk"].text.endswith("GiB free"), "the others are looked at"


async def test_models_that_are_all_there(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ModelStore, "state", lambda self, model: ModelState.INSTALLED)
    found = (await seen(settings))["models"]
    assert (found.level, "whisper-base" in found.text) == ("ok", True)


def run(settings: Settings, *arguments: str) -> Result:
    unused: Any = None
    program = Program(settings=settings, open_service=unused, open_trial=unused, create_app=unused)
    return CliRunner().invoke(doctor_command, arguments, obj=program)


def test_the_command_looks_at_one_switch(settings: Settings) -> None:
    switches = tuple(Switch(name=name, host="127.0.0.1") for name in ("matriz", "filial"))
    several = msgspec.structs.replace(settings, switches=switches)
    one = run(several, "--switch", "filial")
    assert (one.exit_code, one.output.splitlines()[0]) == (0, "skip filial, event socket: no password is set")
    assert "matriz" not in one.output
    assert "clock" not in one.output
    unknown = run(several, "--switch", "filail")
    assert unknown.exit_code == 1
    assert "did you mean 'filial'?" in unknown.output


def test_the_command_tells_lines_or_json_and_its_exit_code(settings: Settings) -> None:
    lines = run(settings)
    assert lines.exit_code == 1, "the models are missing"
    assert "FAIL models: missing: whisper-base" in lines.output
    assert "→ run `atende models pull`" in lines.output
    as_json = run(settings, "--json")
    told = msgspec.json.decode(as_json.output, type=list[Finding])
    assert as_json.exit_code == 1
    assert {finding.name for finding in told} >= {"event socket", "clock", "disk", "models", "database", "tenants"}
