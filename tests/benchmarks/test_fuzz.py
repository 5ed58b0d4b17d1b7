"""The command of the fuzzer: what it is asked for is what it does, and a check that checks nothing is refused."""

import json
from collections.abc import Iterator

import pytest
import structlog

from benchmarks import fuzz


@pytest.fixture(autouse=True)
def logging_as_it_was() -> Iterator[None]:
    """The command silences what is logged."""
    yield
    structlog.reset_defaults()


@pytest.mark.parametrize(
    ("arguments", "least"),
    [(["--inputs", "0"], 1), (["--inputs", "-5", "--quick"], 1), (["--check", "--inputs", "19999"], 20_000)],
)
def test_too_few_inputs_are_refused(arguments: list[str], least: int, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        fuzz.main(["--only", "esl", *arguments])
    assert caught.value.code == 2
    assert f"at least {least}" in capsys.readouterr().err


def test_so_many_as_were_asked_for_are_made(capsys: pytest.CaptureFixture[str]) -> None:
    assert fuzz.main(["--only", "esl", "--inputs", "40"]) == 0
    told = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (told["esl_inputs"], told["broken"], told["short"]) == (40, None, [])
