"""`atende bench calls` at the command line, against doors that are nothing but doors; `tests/calls` has a house."""

import json
import os
import signal
import socketserver
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest
from click.testing import CliRunner
from msgspec.structs import replace

from control.cli.bench import bench_command
from control.settings import Settings
from tests.calls.callers import NUMBER, TENANT


class Door(socketserver.BaseRequestHandler):
    """Answers, or does what a test wants of it."""

    says: ClassVar[tuple[str, ...]] = ()
    calls: ClassVar[int] = 0
    interrupts_at: ClassVar[int] = 0

    def handle(self) -> None:
        Door.calls += 1
        if Door.calls == Door.interrupts_at:
            os.kill(os.getpid(), signal.SIGINT)
        self.request.settimeout(5)
        self.request.sendall(b"connect\n\nmyevents\n\n")
        for said in Door.says:
            self.request.sendall(f"{said}\n\n".encode())
        while self.request.recv(65536):
            pass


ANSWER = ("sendmsg\ncall-command: execute\nexecute-app-name: answer",)
REFUSE = ("sendmsg\ncall-command: execute\nexecute-app-name: set\nexecute-app-arg: door=busy", "exit")
GIVE_UP = ("sendmsg\ncall-command: execute\nexecute-app-name: set\nexecute-app-arg: door=failed", "exit")

DEADLY = (
    "sendmsg\ncall-command: unicast\nlocal-ip: 127.0.0.1\nlocal-port: 40001\nremote-ip: 127.0.0.1\n"
    "remote-port: 40000\ntransport: udp"
)


@pytest.fixture
def door() -> Iterator[int]:
    Door.says, Door.calls, Door.interrupts_at = ANSWER, 0, 0

    class Server(socketserver.ThreadingTCPServer):
        request_queue_size = 64

    with Server(("127.0.0.1", 0), Door) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield server.server_address[1]
        server.shutdown()
        thread.join()


@pytest.fixture
def settings(tmp_path: Path, door: int) -> Settings:
    return replace(Settings(), data_dir=tmp_path / "data", esl_port=door)


@pytest.fixture
def script(tmp_path: Path) -> Path:
    path = tmp_path / "call.yaml"
    path.write_text("steps: [{wait: 0.1}, hang_up]")
    return path


def bench(settings: Settings, tmp_path: Path, *arguments: str) -> tuple[int, str, dict[str, Any]]:
    report = tmp_path / "report.json"
    who = ("--tenant-id", TENANT, "--number", NUMBER, "--sig", "k1.abc", "--json", str(report))
    result = CliRunner().invoke(bench_command, ("calls", *who, *arguments), obj=settings)
    return result.exit_code, result.output, json.loads(report.read_bytes()) if report.exists() else {}


def test_whoever_hangs_up_is_followed_by_the_next_and_no_more_run_than_were_asked_for(
    settings: Settings, script: Path, tmp_path: Path
) -> None:
    code, output, found = bench(
        settings, tmp_path, "-n", "3", "--seconds", "1.5", "--ramp", "20", "--script", str(script)
    )
    assert code == 0, output
    assert (found["at_once"], found["most_at_once"]) == (3, 3)
    assert found["made"] == found["ok"] == Door.calls > 6
    assert (found["failed"], found["refused"], found["cut"], found["stopped"]) == ({}, {}, 0, False)
    assert found["answer"]["count"] == found["made"]
    assert f"{found['made']} calls" in output
    assert "first ring → answered" in output


def test_new_calls_come_no_quicker_than_the_ramp(settings: Settings, script: Path, tmp_path: Path) -> None:
    _, _, found = bench(settings, tmp_path, "-n", "50", "--seconds", "1.5", "--ramp", "4", "--script", str(script))
    assert 2 <= found["made"] <= 6


def test_refused_calls_are_counted_by_their_door(settings: Settings, script: Path, tmp_path: Path) -> None:
    Door.says = REFUSE
    code, output, found = bench(settings, tmp_path, "-n", "2", "--seconds", "1", "--script", str(script))
    assert code == 1, "no call was answered"
    assert found["refused"] == {"door busy": found["made"]}
    assert "× door busy" in output
    assert found["failed"] == {}


def test_failed_calls_are_counted_by_their_reason(settings: Settings, script: Path, tmp_path: Path) -> None:
    Door.says = GIVE_UP
    code, _, found = bench(settings, tmp_path, "-n", "2", "--seconds", "1", "--script", str(script))
    assert (code, found["failed"]) == (1, {"given back as failed before the answer": found["made"]})


def test_nobody_at_the_door(settings: Settings, script: Path, tmp_path: Path) -> None:
    code, output, found = bench(
        replace(settings, esl_port=1), tmp_path, "-n", "2", "--seconds", "60", "--script", str(script)
    )
    assert (code, found["failed"]) == (1, {"no connection to the phone door": found["made"]})
    assert (found["made"], found["stopped"]) == (1, True), "a door that is not there is not rung again"
    assert "nobody listens at 127.0.0.1:1: is `atende serve` running?" in output


def test_a_deadly_order_ends_everything(settings: Settings, script: Path, tmp_path: Path) -> None:
    # Unicast before the answer: a real switch dies of it, with every call.
    Door.says = (DEADLY,)
    code, output, found = bench(settings, tmp_path, "-n", "2", "--seconds", "30", "--script", str(script))
    assert (code, found["stopped"]) == (1, True)
    assert "the switch would have died" in found["failed"]
    assert found["hazards"]
    assert "dangerous on a real switch" in output


def test_ctrl_c_ends_it_in_order_with_the_figures_so_far(settings: Settings, tmp_path: Path) -> None:
    long = tmp_path / "long.yaml"
    long.write_text("steps: [{wait: 100}, hang_up]")
    Door.interrupts_at = 4
    code, output, found = bench(settings, tmp_path, "-n", "4", "--minutes", "5", "--ramp", "20", "--script", str(long))
    assert code == 0, output
    assert (found["stopped"], found["made"]) == (True, 4)
    assert found["ok"] >= 1, "who was answered and then cut off had a good call"
    assert found["ok"] + found["cut"] == 4
    assert "ended before its time" in output
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--seconds", "5", "--minutes", "1"), "not both"),
        (("-n", "0"), "not in the range"),
        (("--minutes", "100000"), "not in the range"),
        (("--script", "nowhere.yaml"), "does not exist"),
    ],
)
def test_what_is_wrong_is_named(settings: Settings, tmp_path: Path, options: tuple[str, ...], words: str) -> None:
    code, output, _ = bench(settings, tmp_path, *options)
    assert code == 2
    assert words in output
