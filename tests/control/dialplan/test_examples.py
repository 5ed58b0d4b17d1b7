"""The files that operators read first are what the command prints, and lead no caller into silence."""

from xml.etree import ElementTree as ET

import pytest

from tests.control.dialplan.examples import FOLDER, examples, printed
from tests.control.dialplan.walk import Context, endings
from transports.freeswitch.words import WIRES

DIALPLANS = [name for name in examples() if name.startswith("dialplan/") and name.endswith(".xml")]


@pytest.mark.parametrize("name", examples())
def test_a_file_is_what_its_command_prints(name: str) -> None:
    found = (FOLDER / name).read_bytes()
    assert found == printed(examples()[name]).encode(), "run python -m tests.control.dialplan.examples"


def test_every_file_has_its_command_and_every_wire_its_file() -> None:
    there = {str(file.relative_to(FOLDER)) for file in FOLDER.rglob("*") if file.is_file()}
    assert there - {"README.md"} == set(examples())
    assert {f"dialplan/{wire}.xml" for wire in WIRES} < set(examples())


@pytest.mark.parametrize("name", [name for name in examples() if name.endswith(".xml")])
def test_it_is_xml(name: str) -> None:
    ET.parse(FOLDER / name)


@pytest.mark.parametrize("name", DIALPLANS)
def test_no_caller_is_left_in_silence(name: str) -> None:
    xml = (FOLDER / name).read_text(encoding="utf-8")
    numbers = [ext[0].removeprefix("atende_") for ext in Context(xml).extensions if ext[0].startswith("atende_")]
    assert numbers
    for number in numbers:
        assert all(endings(xml, number, {"1001", "600", "*991001"}).values())
