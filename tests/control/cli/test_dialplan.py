"""`atende dialplan`, as an operator runs it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from click.testing import CliRunner, Result

from base.ids import TenantId
from control.cli.context import Program
from control.cli.dialplan import dialplan_command
from control.settings import Settings
from tenants.keys import signing_keys
from tenants.signing import verify

ROOT = Path(__file__).parents[3]
SORRISO = ("--tenant", "clinica-sorriso")


def run(settings: Settings, *arguments: str) -> Result:
    def unused(*_: Any, **__: Any) -> Any:
        raise AssertionError("this command opens no service")

    program = Program(settings=settings, open_service=unused, create_app=unused)
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
    ring = [
        ("set", "door=failed"),
        ("set", "socket_resume=true"),
        ("socket", "127.0.0.1:8084 async full"),
        ("transfer", "door_${door} XML sorriso.example.net"),
    ]
    assert number[3:] == found["door_again"] == ring
    assert found["door_busy"] == [("hangup", "USER_BUSY")]
    assert found["door_operator"] == found["door_failed"] == [("transfer", "1001 XML sorriso.example.net")]


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


def test_the_door_is_named_by_its_address(settings: Settings) -> None:
    near = Settings(data_dir=settings.data_dir, tenants_dir=settings.tenants_dir, esl_host="localhost")
    assert ("socket", "127.0.0.1:8084 async full") in extensions(run(near, *SORRISO).stdout)["door_again"]
