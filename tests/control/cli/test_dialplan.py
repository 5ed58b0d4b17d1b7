"""`atende dialplan`, as an operator runs it."""

import re
from collections.abc import Mapping
from ipaddress import ip_network
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from click.testing import CliRunner, Result
from msgspec.structs import replace

from base.ids import TenantId
from control.cli.context import Program
from control.cli.dialplan import dialplan_command
from control.settings import Settings
from control.switches import Switch
from tenants.keys import signing_keys
from tenants.signing import verify

ROOT = Path(__file__).parents[3]
SORRISO = ("--tenant", "clinica-sorriso")


def run(settings: Settings, *arguments: str) -> Result:
    def unused(*_: Any, **__: Any) -> Any:
        raise AssertionError("this command opens no service")

    program = Program(settings=settings, open_service=unused, open_trial=unused, create_app=unused)
    return CliRunner().invoke(dialplan_command, arguments, obj=program)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data_dir=tmp_path / "data", tenants_dir=ROOT / "configs" / "tenants")


def extensions(xml: str) -> Mapping[str, list[tuple[str, str]]]:
    """Extension name to its actions."""
    return {
        extension.attrib["name"]: [
            (action.attrib["application"], action.attrib.get("data", "")) for action in extension.iter("action")
        ]
        for extension in ET.fromstring(xml).iter("extension")
    }


def test_a_document_may_end_in_yml(settings: Settings, tmp_path: Path) -> None:
    text = (settings.tenants_dir / "clinica-sorriso.yaml").read_text()
    (tmp_path / "empresa.yml").write_text(text)
    result = run(replace(settings, tenants_dir=tmp_path), *SORRISO, "--operator", "1001")
    assert (result.exit_code, "atende_1000" in result.stdout) == (0, True)


def test_the_dialplan_is_signed_by_the_services_own_key_and_falls_back(settings: Settings) -> None:
    result = run(settings, *SORRISO, "--operator", "1001")
    assert (result.exit_code, result.stderr) == (0, "")
    found = extensions(result.stdout)
    doors = ("failed", "busy", "voicemail", "operator", "again", "other")
    assert list(found) == ["atende_1000", *(f"door_{name}" for name in doors)]
    number = found["atende_1000"]
    variables = dict(data.split("=", 1) for application, data in number if application == "set")
    keys = signing_keys(settings.data_dir, None)
    assert verify(keys, TenantId(variables["atende_tenant"]), variables["atende_number"], variables["atende_sig"])

    def ring(service: str) -> list[tuple[str, str]]:
        return [
            ("set", "door=failed"),
            ("set", "socket_resume=true"),
            ("socket", f"{service} async full"),
            ("transfer", "door_${door} XML sorriso.example.net"),
        ]

    assert number[3:] == [("set", "atende_again_at=127.0.0.1:8084"), *ring("127.0.0.1:8084")]
    assert found["door_again"] == ring("${atende_again_at}|127.0.0.1:8084")
    assert found["door_busy"] == [("hangup", "USER_BUSY")]
    assert found["door_operator"] == found["door_failed"] == [("transfer", "1001 XML sorriso.example.net")]


@pytest.fixture
def two(settings: Settings) -> Settings:
    """A service with two PBXs, one of which reaches its door elsewhere and by another wire."""
    matriz = Switch(name="matriz", host="10.77.0.1", peers=(ip_network("10.77.0.1/32"),))
    door = "10.78.0.2:8084|10.78.0.3:8084"
    filial = Switch(name="filial", host="10.78.0.1", peers=(ip_network("10.78.0.1/32"),), door=door, wire="audio_fork")
    return replace(settings, switches=(matriz, filial), esl_host="10.77.0.2", wires=("unicast", "audio_fork"))


def of_switch(settings: Settings, folder: Path, switch: str) -> Settings:
    """The same, and the example tenant names its switch."""
    document = (settings.tenants_dir / "clinica-sorriso.yaml").read_text()
    (folder / "clinica-sorriso.yaml").write_text(document + f"\nswitch: {switch}\n")
    return replace(settings, tenants_dir=folder)


def test_a_switch_s_door_and_wire_are_filled_in(two: Settings) -> None:
    filial = extensions(run(two, *SORRISO, "--switch", "filial").stdout)["atende_1000"]
    assert ("socket", "10.78.0.2:8084|10.78.0.3:8084 async full") in filial
    assert ("set", "atende_wire=audio_fork") in filial
    matriz = extensions(run(two, *SORRISO, "--switch", "matriz").stdout)["atende_1000"]
    assert ("socket", "10.77.0.2:8084 async full") in matriz
    assert "atende_wire" not in str(matriz), "as the service is set"


def test_what_is_said_goes_before_what_is_set(two: Settings) -> None:
    said = ("--switch", "filial", "--wire", "unicast", "--service", "127.0.0.1:1")
    found = extensions(run(two, *SORRISO, *said).stdout)["atende_1000"]
    assert ("socket", "127.0.0.1:1 async full") in found
    assert ("set", "atende_wire=unicast") in found


def test_a_tenant_that_names_an_endpoint_and_a_secret_has_a_dialplan(settings: Settings, tmp_path: Path) -> None:
    mind = "{id: mind, use: realtime.openai, config: {base_url: {endpoint: gpu}, api_key: {secret: s}}}"
    head = "slug: clinica-sorriso\nid: 6f1d2c0a-4b7e-4f7b-9a53-1c9e5d7a2b10\ndomain: s.example.net\nname: S\n"
    ana = f"{{name: ana, numbers: [7100], pipeline: [{{id: vad, use: vad.silero}}, {mind}]}}"
    (tmp_path / "clinica.yaml").write_text(f"{head}assistants:\n  - {ana}\n")
    (settings.data_dir / "secrets").mkdir(parents=True)
    elsewhere = replace(settings, tenants_dir=tmp_path, endpoints={"gpu": "http://10.0.0.7/v1"})
    result = run(elsewhere, *SORRISO, "--operator", "1001")
    assert result.exit_code == 0, result.output


def test_the_tenant_s_own_switch_is_taken_and_no_other(two: Settings, tmp_path: Path) -> None:
    owned = of_switch(two, tmp_path, "filial")
    own = run(owned, *SORRISO)
    assert "10.78.0.2:8084" in own.stdout
    assert own.stdout == run(owned, *SORRISO, "--switch", "filial").stdout
    assert "names no switch" not in own.stderr
    other = run(owned, *SORRISO, "--switch", "matriz")
    assert (other.exit_code, other.stdout) == (1, "")
    assert "clinica-sorriso names the switch filial, whose calls alone are taken" in other.stderr


def test_switches_that_are_not_there_are_told_with_the_nearest(two: Settings, tmp_path: Path) -> None:
    assert "no switch 'filail' (did you mean 'filial'?)" in run(two, *SORRISO, "--switch", "filail").stderr
    owned = of_switch(two, tmp_path, "filail")
    assert re.search(r"clinica-sorriso\.yaml:\d+:1: \$\.switch: .*'filial'", run(owned, *SORRISO).stderr)


def test_with_several_pbxs_it_is_noted_when_none_is_named(two: Settings) -> None:
    result = run(two, *SORRISO, "--operator", "1001")
    assert result.stderr == (
        "note: the tenant names no switch: printed for default; --switch takes matriz, filial, default\n"
    )
    assert "10.77.0.2:8084" in result.stdout


def test_the_files_of_a_switch_are_its_own(two: Settings) -> None:
    acl = run(two, *SORRISO, "--switch", "filial", "--print", "acl").stdout
    cidrs = [node.attrib["cidr"] for node in ET.fromstring(acl).iter("node")]
    assert cidrs[2:] == ["10.78.0.1/32", "10.78.0.2/32", "10.78.0.3/32"]
    assert "ATENDE_SWITCH_FILIAL_PASSWORD" in run(two, *SORRISO, "--switch", "filial", "--print", "event-socket").stdout
    assert "mod_audio_fork" in run(two, *SORRISO, "--switch", "filial", "--print", "modules").stdout


def test_what_is_printed_beside_the_dialplan_needs_no_key(settings: Settings) -> None:
    for what, root in (("acl", "acl.conf"), ("event-socket", "event_socket.conf"), ("modules", "modules.conf")):
        result = run(settings, *SORRISO, "--print", what)
        assert (result.exit_code, result.stderr) == (0, "")
        assert ET.fromstring(result.stdout).attrib["name"] == root
    assert not settings.data_dir.exists()


def test_modules_are_those_of_the_wires_that_are_served(settings: Settings) -> None:
    both = Settings(tenants_dir=settings.tenants_dir, wires=("unicast", "audio_fork"))
    assert "mod_audio_fork" in run(both, *SORRISO, "--print", "modules").stdout
    assert "mod_audio_fork" not in run(settings, *SORRISO, "--print", "modules").stdout


def test_what_is_probably_not_meant_is_noted_beside_the_output(settings: Settings) -> None:
    result = run(settings, *SORRISO, "--wire", "audio_fork")
    assert result.exit_code == 0
    assert extensions(result.stdout)
    assert "until ATENDE_WIRES names audio_fork" in result.stderr
    assert "give --operator, --voicemail or --fallback" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "fault"),
    [
        (["--tenant", "nobody"], "no tenant 'nobody'"),
        (["--tenant", "../../etc/passwd"], "no tenant '../../etc/passwd'"),
        ([*SORRISO, "--number", "9"], "there are 1000"),
        ([*SORRISO, "--operator", "1000"], "leads to us again"),
        ([*SORRISO, "--service", "pbx 8084"], "'pbx 8084' is not host:port"),
        ([*SORRISO, "--service", "pbx:8084", "--print", "acl"], "'pbx' is a name"),
        ([*SORRISO, "--pbx", "freeswitch", "--print", "sql"], "only FusionPBX"),
    ],
)
def test_mistakes_are_told(settings: Settings, arguments: list[str], fault: str) -> None:
    result = run(settings, *arguments)
    assert (result.exit_code, result.stdout) == (1, "")
    assert fault in result.stderr


def test_a_door_open_to_all_has_no_address_of_its_own(settings: Settings) -> None:
    wide = Settings(data_dir=settings.data_dir, tenants_dir=settings.tenants_dir, esl_host="0.0.0.0")
    assert "--service" in run(wide, *SORRISO).stderr
    assert "pbx:1" in run(wide, *SORRISO, "--service", "pbx:1").stdout
    named = replace(wide, switches=(Switch(name="matriz", host="10.77.0.1"),))
    assert "or give ATENDE_SWITCH_MATRIZ_DOOR" in run(named, *SORRISO, "--switch", "matriz").stderr


def test_the_door_is_named_by_its_address(settings: Settings) -> None:
    near = Settings(data_dir=settings.data_dir, tenants_dir=settings.tenants_dir, esl_host="localhost")
    assert ("socket", "127.0.0.1:8084 async full") in extensions(run(near, *SORRISO).stdout)["atende_1000"]
