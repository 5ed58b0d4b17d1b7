"""Whom `atende demo` rings."""

from pathlib import Path

from control.cli.demo import SCRIPTS, scripts_of
from control.cli.show import told
from pipelines.timeline import Moment

ROOT = Path(__file__).parents[3]
FOLDERS = (ROOT / SCRIPTS, ROOT / "configs" / "tenants")


def test_it_rings_the_example_tenants_and_plays_no_other_script() -> None:
    tenants = sorted(path.stem for path in (ROOT / "configs" / "tenants").glob("*.yaml"))
    assert list(scripts_of(*FOLDERS)) == tenants
    assert {path.stem for path in (ROOT / SCRIPTS).glob("*.yaml")} > set(tenants)


def test_it_rings_only_whom_it_is_told_to() -> None:
    assert list(scripts_of(*FOLDERS, ["harbor-books"])) == ["harbor-books"]
    assert scripts_of(*FOLDERS, ["nobody"]) == {}


def test_what_happened_in_a_call_is_told_in_lines() -> None:
    moments = (Moment(at_ms=0, what="rang"), Moment(at_ms=61_250, what="assistant_speaks", detail="greeting"))
    assert told(moments) == ["    0.00 s  rang", "   61.25 s  assistant speaks  greeting"]
