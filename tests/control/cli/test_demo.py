"""Whom `atende demo` rings."""

from pathlib import Path

from control.cli.demo import SCRIPTS, scripts_of

ROOT = Path(__file__).parents[3]
FOLDERS = (ROOT / SCRIPTS, ROOT / "configs" / "tenants")


def test_it_rings_the_example_tenants_and_plays_no_other_script() -> None:
    tenants = sorted(path.stem for path in (ROOT / "configs" / "tenants").glob("*.yaml"))
    assert list(scripts_of(*FOLDERS)) == tenants
    assert {path.stem for path in (ROOT / SCRIPTS).glob("*.yaml")} > set(tenants)


def test_it_rings_only_whom_it_is_told_to() -> None:
    assert list(scripts_of(*FOLDERS, ["harbor-books"])) == ["harbor-books"]
    assert scripts_of(*FOLDERS, ["nobody"]) == {}
