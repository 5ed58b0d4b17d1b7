"""A service is started, rung with ever more calls, and says itself when it is enough."""

import asyncio
import tempfile
import time
from pathlib import Path
from typing import cast

import pytest
from click.testing import CliRunner
from rich.console import Console

from control.capacity.child import ChildError, child
from control.capacity.documents import FIRST_NUMBER, SLUG, built_in, write
from control.capacity.measuring import Plan, measured
from control.cli.capacity import _dialed, capacity_command, show
from control.cli.context import Program
from control.headroom import Bounds
from control.peer import HangUp, Script, Wait
from control.settings import Settings
from tests.calls.callers import hears


def program(settings: Settings) -> Program:
    nothing = cast("None", None)
    return Program(settings=settings, open_service=nothing, open_trial=nothing, create_app=nothing)  # type: ignore[arg-type]


@pytest.mark.postgres
async def test_a_service_that_takes_two_calls_carries_two_and_says_why_not_three() -> None:
    lines: list[str] = []
    document = built_in(10, models=False)
    with tempfile.TemporaryDirectory(prefix="atende-measuring-") as name:
        folder = Path(name)
        await asyncio.to_thread(write, document, folder / "tenants")
        environ = {"ATENDE_MAX_CALLS": "2", "ATENDE_MAX_LATENESS_MS": "1000", "ATENDE_MAX_LOOP_LOAD": "1000"}
        async with child(folder, folder / "tenants", environ) as service:
            (tenant,) = await service.tenants(await service.key())
            assert (tenant.slug, tenant.state) == (SLUG, "ready")
            plan = Plan(
                dialed=_dialed(document, Settings(), service),
                script=Script(steps=(hears(), Wait(20.0), HangUp()), limit_s=30),
                first=2,
                most=3,
                hold_s=1.0,
                bounds=Bounds(max_lateness_ms=1000.0),
            )
            assert [one.number for one in plan.dialed] == [str(FIRST_NUMBER)]
            found = await measured(service, plan, time.monotonic() + 60, lines.append)
            process = service.process
        assert process.returncode is not None, "nothing is left running"
    assert (found.calls, found.limiting, found.settings) == (2, "max_calls", {"ATENDE_MAX_CALLS": "2"})
    assert [(rung.calls, rung.holds, rung.limiting) for rung in found.rungs] == [
        (2, True, None),
        (3, False, "max_calls"),
    ]
    assert (found.rungs[0].refused, found.rungs[0].failed) == (0, 0)
    assert found.rungs[1].refused > 0
    assert lines[0].startswith("2 calls: 2 live")
    out = Console(record=True, width=120)
    show(found, out)
    told = out.export_text()
    assert "2 calls at once" in told
    assert "limited by ATENDE_MAX_CALLS" in told


@pytest.mark.postgres
async def test_a_service_that_cannot_start_is_told_with_its_last_words() -> None:
    with (
        tempfile.TemporaryDirectory(prefix="atende-measuring-") as name,
        pytest.raises(ChildError, match="ATENDE_MAX_CALLS"),
    ):
        async with child(Path(name), Path(name) / "tenants", {"ATENDE_MAX_CALLS": "many"}):
            pass


def test_what_cannot_be_measured_is_said_before_anything_is_started(tmp_path: Path) -> None:
    settings = Settings(tenants_dir=tmp_path, data_dir=tmp_path / "data")
    both = CliRunner().invoke(capacity_command, ["--models", "--tenant", "a"], obj=program(settings))
    assert (both.exit_code, "not both" in both.output) == (2, True)
    unknown = CliRunner().invoke(capacity_command, ["--tenant", "nobody"], obj=program(settings))
    assert (unknown.exit_code, "no tenant document of 'nobody'" in unknown.output) == (1, True)
    assert not (tmp_path / "data").exists()
