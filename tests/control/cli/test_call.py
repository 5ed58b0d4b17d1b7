"""`atende call` at the command line, against a service that is nothing but a door."""

import json
import socketserver
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
from click.testing import CliRunner
from msgspec.structs import replace

from control.cli.call import call_command
from control.peer import Codec
from control.peer.sound import write_wav
from control.settings import Settings
from tenants.keys import signing_keys
from tenants.signing import verify

TENANT = "6f1d2c0a-4b7e-4f7b-9a53-1c9e5d7a2b10"


class Door(socketserver.BaseRequestHandler):
    """Answers with sound nobody hears, or refuses."""

    refuse: ClassVar[bool] = False
    heard: ClassVar[list[str]] = []
    peers: ClassVar[list[str]] = []
    finished: ClassVar[threading.Event] = threading.Event()

    def handle(self) -> None:
        self.request.settimeout(5)
        Door.peers.append(self.client_address[0])
        self.request.sendall(b"connect\n\nmyevents\n\n")
        order = "set\nexecute-app-arg: door=busy" if Door.refuse else "answer"
        self.request.sendall(f"sendmsg\ncall-command: execute\nexecute-app-name: {order}\n\n".encode())
        if Door.refuse:
            self.request.sendall(b"exit\n\n")
        text = b""
        while data := self.request.recv(65536):
            text += data
        Door.heard.append(text.decode())
        Door.finished.set()


@pytest.fixture
def door() -> Iterator[int]:
    Door.heard, Door.peers, Door.refuse, Door.finished = [], [], False, threading.Event()
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Door) as server:
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


def heard() -> str:
    """What the door was told, to the end of the connection."""
    assert Door.finished.wait(5)
    return Door.heard[0]


def run(settings: Settings, *arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(call_command, arguments, obj=settings)
    return result.exit_code, result.output


def test_it_rings_with_a_signature_of_the_service_s_own_keys(settings: Settings, script: Path, tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    code, output = run(
        settings, "--tenant-id", TENANT.upper(), "--number", "1000", "--script", str(script), "--json", str(report)
    )
    assert code == 0, output
    assert "answered" in output
    told = dict(line.split(": ", 1) for line in heard().splitlines() if ": " in line)
    keys = signing_keys(settings.data_dir, settings.signing_keys)
    assert told["variable_atende_tenant"] == TENANT
    assert verify(keys, TENANT, "1000", told["variable_atende_sig"])
    found = json.loads(report.read_bytes())
    assert (found["tenant"], found["number"], found["ended_by"]) == (TENANT, "1000", "caller")


def test_a_tenant_s_document_gives_id_and_first_number(settings: Settings, script: Path) -> None:
    code, output = run(settings, "--tenant", "clinica-sorriso", "--script", str(script), "--quiet")
    assert code == 0, output
    assert f"variable_atende_tenant: {TENANT}" in heard()
    assert "variable_atende_number: 1000" in heard()


def test_a_document_is_read_as_publishing_reads_it(settings: Settings, script: Path, tmp_path: Path) -> None:
    """Numbers need no quotes and keep their zeros, the file may have any name, and what else is in it is no matter."""
    (tmp_path / "any.yaml").write_text(f"slug: fala\nid: {TENANT}\nassistants:\n  - numbers: [0710]\n    pipeline: 5\n")
    (tmp_path / "broken.yaml").write_text("slug: [")
    elsewhere = replace(settings, tenants_dir=tmp_path)
    code, output = run(elsewhere, "--tenant", "fala", "--script", str(script), "--quiet")
    assert code == 0, output
    assert "variable_atende_number: 0710" in heard()
    code, output = run(elsewhere, "--tenant", "other", "--script", str(script))
    assert code == 1
    assert "broken.yaml:" in output


def test_a_signature_may_be_given(settings: Settings, script: Path) -> None:
    options = ("--tenant-id", TENANT, "--number", "7", "--sig", "k1.abc", "--script", str(script))
    assert run(settings, *options)[0] == 0
    assert "variable_atende_sig: k1.abc" in heard()
    assert not (settings.data_dir / "signing.keys").exists()


@pytest.mark.parametrize(("codec", "rate"), [(Codec.PCMU, 8000), (Codec.L16_16K, 16000), (Codec.OPUS, 48000)])
def test_the_codec_of_the_command_line_wins_and_a_recording_is_written(
    settings: Settings, tmp_path: Path, codec: Codec, rate: int
) -> None:
    write_wav(tmp_path / "q.wav", np.zeros(800, np.int16), 8000)
    script = tmp_path / "call.yaml"
    script.write_text("codec: PCMA\nsteps: [{say: q.wav}, hang_up]")
    record = tmp_path / "out" / "call.wav"
    options = ("--tenant-id", TENANT, "--number", "1", "--script", str(script), "--record", str(record))
    code, output = run(settings, *options, "--codec", codec.value)
    assert code == 0, output
    assert f"Channel-Read-Codec-Name: {codec.wire_name}" in heard()
    assert f"Channel-Read-Codec-Rate: {rate}" in heard()
    assert record.exists()


def test_it_may_ring_from_another_address_of_this_machine(settings: Settings, script: Path) -> None:
    options = ("--tenant-id", TENANT, "--number", "7", "--script", str(script))
    assert run(settings, *options, "--from", "127.0.0.2")[0] == 0
    assert run(settings, *options)[0] == 0
    assert Door.peers == ["127.0.0.2", "127.0.0.1"]


def test_a_refused_call_fails_with_its_cause(settings: Settings, script: Path, tmp_path: Path) -> None:
    Door.refuse = True
    record = ("--record", str(tmp_path / "call.wav"))
    code, output = run(settings, "--tenant-id", TENANT, "--number", "1", "--script", str(script), *record)
    assert code == 1
    assert "recording:" not in output
    assert "USER_BUSY" in output
    assert "door busy" in output


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--number", "1"), "--tenant or --tenant-id is missing"),
        (("--tenant-id", "acme", "--number", "1"), "is not a UUID"),
        (("--tenant-id", TENANT), "--number is missing"),
        (("--tenant", "no-such", "--number", "1"), "no tenant document"),
        (("--tenant", "../secrets", "--number", "1"), "no tenant document"),
    ],
)
def test_what_is_missing_is_named(settings: Settings, options: tuple[str, ...], words: str) -> None:
    code, output = run(settings, *options)
    assert code != 0
    assert words in output
