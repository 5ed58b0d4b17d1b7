"""`atende check` and `atende dialplan`, as an operator runs them."""

import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from click.testing import CliRunner, Result

from base.ids import TenantId
from control.cli.check import check_command
from control.cli.context import Program
from control.cli.dialplan import Plan, dialplan_command, dialplan_xml
from control.settings import Settings
from tenants.keys import signing_keys
from tenants.signing import new_key, verify

ROOT = Path(__file__).parents[3]
SORRISO = TenantId("6f1d2c0a-4b7e-4f7b-9a53-1c9e5d7a2b10")


def run(command: Any, settings: Settings, *arguments: str) -> Result:
    def unused(*_: Any, **__: Any) -> Any:
        raise AssertionError("this command opens no service")

    program = Program(settings=settings, open_service=unused, create_app=unused)
    return CliRunner().invoke(command, arguments, obj=program)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data_dir=tmp_path / "data", tenants_dir=ROOT / "configs" / "tenants")


def test_check_says_good_of_the_examples(settings: Settings) -> None:
    result = run(check_command, settings)
    assert result.exit_code == 0, result.output
    assert result.stdout.count(": good") == len(list(settings.tenants_dir.glob("*.yaml")))


def test_check_prints_problems_as_a_compiler_does_and_fails(settings: Settings, tmp_path: Path) -> None:
    good = (settings.tenants_dir / "harbor-books.yaml").read_text()
    for name, text in {"a": good, "b": good.replace("language: en", "langage: en"), "c": good}.items():
        (tmp_path / f"{name}.yaml").write_text(text)
    files = [str(tmp_path / f"{name}.yaml") for name in "abc"]
    result = run(check_command, settings, *files, str(tmp_path / "d.yaml"))
    assert result.exit_code == 1
    assert result.stdout == f"{files[0]}: good\n"
    lines = result.stderr.splitlines()
    assert re.fullmatch(re.escape(files[1]) + r":6:1: \$\.langage: .*\(did you mean 'language'\?\)", lines[0])
    assert lines[1] == f"{files[2]}:1:1: $.id: {files[0]} has the same id"
    assert lines[2] == f"{files[2]}:1:1: $.slug: {files[0]} has the same slug"
    assert lines[3] == f"{tmp_path}/d.yaml: No such file or directory"


def extensions(xml: str) -> dict[str, list[tuple[str, str]]]:
    """Extension name to its actions."""
    return {
        extension.attrib["name"]: [
            (action.attrib["application"], action.attrib.get("data", "")) for action in extension.iter("action")
        ]
        for extension in ET.fromstring(xml).iter("extension")
    }


def test_the_dialplan_is_signed_and_falls_back(settings: Settings) -> None:
    result = run(dialplan_command, settings, "--tenant", "clinica-sorriso", "--operator", "1001")
    assert result.exit_code == 0, result.output
    found = extensions(result.output)
    assert list(found) == ["atende_1000", *(f"door_{n}" for n in ("failed", "busy", "voicemail", "operator", "again"))]
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
    assert found["door_operator"] == [("transfer", "1001 XML sorriso.example.net")]
    assert found["door_voicemail"] == found["door_failed"] == [("hangup", "NORMAL_TEMPORARY_FAILURE")]
    assert "answer" not in {application for application, _ in number}


def test_odd_numbers_and_contexts_stay_data() -> None:
    plan = Plan(
        tenant_id=SORRISO, context='a"<b>', numbers=("*98", "+5511"), service="pbx:8084|pbx2:8084", voicemail="9"
    )
    xml = dialplan_xml(plan, (new_key(),))
    expressions = [node.attrib["expression"] for node in ET.fromstring(xml).iter("condition")][:2]
    assert [bool(re.search(expression, text)) for expression, text in zip(expressions, ("*98", "+5511"), strict=True)]
    assert not re.search(expressions[0], "98")
    assert extensions(xml)["door_voicemail"] == [("answer", ""), ("voicemail", 'default a"<b> 9')]


@pytest.mark.parametrize(
    ("arguments", "fault"),
    [
        (["--tenant", "nobody"], "no tenant 'nobody'"),
        (["--tenant", "clinica-sorriso", "--number", "9"], "there are 1000"),
    ],
)
def test_mistakes_are_told(settings: Settings, arguments: list[str], fault: str) -> None:
    result = run(dialplan_command, settings, *arguments)
    assert result.exit_code == 1
    assert fault in result.output


def test_a_door_open_to_all_has_no_address_of_its_own(settings: Settings, tmp_path: Path) -> None:
    wide = Settings(data_dir=tmp_path, tenants_dir=settings.tenants_dir, esl_host="0.0.0.0")
    assert "--service" in run(dialplan_command, wide, "--tenant", "clinica-sorriso").output
    assert "pbx:1" in run(dialplan_command, wide, "--tenant", "clinica-sorriso", "--service", "pbx:1").output
