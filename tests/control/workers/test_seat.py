"""A process's place: nobody else of the node has its folders and its ports."""

import socket
from pathlib import Path

import pytest

from control.settings import PortRange, Settings, SettingsError, checked
from control.workers.parent import connections
from control.workers.seat import Place, Role, Seat, machine_of, node_of, seated, seats, url_of
from tenants.database import PoolBounds
from tenants.embedded import EmbeddedPostgres

FOUND = Settings(
    workers=2, max_calls=50, media_ports=PortRange(40000, 40799), wires=("unicast", "audio_fork"),
    media_socket_port=9000, again_port=9100,
)  # fmt: skip
SEATS = [Seat(role="media", slot=slot) for slot in range(FOUND.slots)]


def test_processes_that_take_calls_share_the_ports_out() -> None:
    with socket.create_server(("127.0.0.1", 0)) as door:
        found = [seated(FOUND, Place(seat=seat, door=door)) for seat in SEATS]
    assert [(one.media_ports.first, one.media_ports.last) for one in found] == [
        (40000 + 200 * n, 40199 + 200 * n) for n in range(4)
    ]
    assert [one.media_socket_port for one in found] == [9000, 9001, 9002, 9003]
    assert [one.esl_port for one in found] == [9100, 9101, 9102, 9103], "its own door, beside the common one"
    assert [one.internal_port for one in found] == [0] * 4
    own = {seat.spool(Path("data")) for seat in SEATS} | {seat.folder(Path("data")) for seat in SEATS}
    assert len(own) == 8


def test_who_does_jobs_has_the_port_behind_theirs_and_a_folder_and_no_door() -> None:
    from msgspec import structs

    found = structs.replace(FOUND, internal_port=9200)
    jobs = Seat(role="jobs")
    ports = [seated(found, Place(seat=seat)).internal_port for seat in [*SEATS, jobs]]
    assert ports == [9200, 9201, 9202, 9203, 9204]
    assert jobs.folder(Path("data")) == Path("data/processes/jobs-0")
    assert (jobs.takes_calls, jobs.has_api, jobs.does_jobs) == (False, False, True)
    begin = [[seat.name for seat in together] for together in seats(found)]
    assert begin == [["models-0"], ["control-0", "media-0", "media-1"], ["jobs-0"]]


@pytest.mark.parametrize("role", ["control", "all"])
def test_the_others_have_what_a_process_always_had(role: Role) -> None:
    assert seated(FOUND, Place(seat=Seat(role=role))) == FOUND
    assert (Seat().spool(Path("data")), Seat().folder(Path("data"))) == (Path("data/spool"), Path("data"))


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (
            {"media_ports": PortRange(40000, 40399)},
            "ATENDE_MEDIA_PORTS: there are 50 pairs for each of 4 places, and ATENDE_MAX_CALLS is 60",
        ),
        ({"again_port": 9001}, "ATENDE_MEDIA_SOCKET_PORT: 9000 and the 3 ports after it reach into ATENDE_AGAIN_PORT"),
        ({"internal_port": 8078}, "ATENDE_INTERNAL_PORT: 8078 and the 4 ports after it reach into ATENDE_HTTP_PORT"),
        ({"internal_host": "0.0.0.0"}, "ATENDE_INTERNAL_HOST: 0.0.0.0 is no address that others could ask"),
    ],
)
def test_ports_that_would_be_shared_stop_the_start(given: dict[str, object], told: str) -> None:
    from msgspec import structs

    settings = structs.replace(FOUND, max_calls=60, **given)
    with pytest.raises(SettingsError) as caught:
        checked(settings)
    assert any(problem.startswith(told) for problem in caught.value.problems)
    checked(structs.replace(settings, workers=0))


@pytest.mark.parametrize("workers", [2, 64])
def test_the_embedded_database_has_room_for_all_processes_and_their_successors(workers: int, tmp_path: Path) -> None:
    wanted = (2 * (workers + 1) + 1) * PoolBounds().max_connections
    server = EmbeddedPostgres(tmp_path, connections(Settings(workers=workers)))
    [given] = [word for word in server._options() if word.startswith("max_connections=")]
    assert int(given.partition("=")[2]) > wanted + 10, "commands and migrations come besides"


def test_a_node_keeps_its_name_and_two_of_one_host_are_told_apart(tmp_path: Path) -> None:
    names = {node_of(Settings(data_dir=tmp_path / name)) for name in "ab" for _ in range(2)}
    assert len(names) == 2
    assert all(name.startswith(socket.gethostname()[:80]) for name in names)
    called = Settings(node="node-2", data_dir=tmp_path / "c")
    assert node_of(called) == "node-2"
    assert machine_of(called) == machine_of(called) not in names, "its own, whatever it is called"


def test_who_listens_everywhere_is_asked_at_the_address_that_others_know() -> None:
    with socket.create_server(("0.0.0.0", 0)) as everywhere, socket.create_server(("127.0.0.1", 0)) as here:
        assert url_of(everywhere, "10.0.0.12") == f"http://10.0.0.12:{everywhere.getsockname()[1]}"
        assert url_of(everywhere, "fd00::12") == f"http://[fd00::12]:{everywhere.getsockname()[1]}"
        assert url_of(here, "10.0.0.12") == f"http://127.0.0.1:{here.getsockname()[1]}"
