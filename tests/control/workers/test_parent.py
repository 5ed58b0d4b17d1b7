"""What a parent does when its processes end at bad moments; the processes have a script, and are none."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable, Collection, Iterator, Mapping
from pathlib import Path

import pytest
import structlog
from msgspec import structs

from base.secret import Secret
from control.settings import Settings
from control.workers.parent import Parent
from control.workers.seat import Seat
from tests.pipelines.virtual import eventually


class ScriptedChild:
    """Satisfies what a parent asks of `Child`. It begins at once, and ends when it is told, if it is not `busy`."""

    started: list["ScriptedChild"]
    slow: Collection[str]
    """Those of these roles do not begin by themselves."""
    failing: Collection[str]
    """Those of these roles end at once."""
    hanging: Collection[str]
    """Those of these roles do not come to life."""

    def __init__(self, seat: Seat) -> None:
        self.seat, self.hangs = seat, seat.role in self.hanging
        self.began, self.ended = asyncio.Event(), asyncio.Event()
        self.exit_code: int | None = None
        self.pid, self.missed, self.doing = 1, 0, "starts"
        self.followed = asyncio.Event()
        self.told = self.spare = self.busy = self.hung = False
        self.heir: ScriptedChild | None = None
        self.orders = list[str]()

    async def start(self, _environ: Mapping[str, str], _inherited: Mapping[str, socket.socket]) -> None:
        self.started.append(self)
        if self.seat.role in self.failing:
            self.dies()
        elif not (self.hangs or self.seat.role in self.slow):
            self.began.set()

    def drain(self, *, others: bool = False) -> None:
        self.told = True
        self.orders.append("relieved" if others else "drain")
        if not self.busy:
            self.dies()

    def end(self) -> None:
        self.told = True
        self.dies()

    def kill(self) -> None:
        self.dies()

    def look(self) -> bool:
        return self.hangs and not self.ended.is_set()

    def show_stacks(self) -> None:
        """It is at nothing."""

    def dies(self) -> None:
        self.exit_code = -9
        self.ended.set()


class Family:
    """A parent that runs."""

    running: asyncio.Task[None]

    def __init__(self, parent: Parent) -> None:
        self.parent = parent
        self.answers = list[int]()
        """How many processes there were when it was said that calls are taken."""

    def started(self, role: str) -> list[ScriptedChild]:
        return [child for child in ScriptedChild.started if child.seat.role == role]

    def alive(self, role: str) -> list[ScriptedChild]:
        return [child for child in self.started(role) if not child.ended.is_set()]


@pytest.fixture
def sockets() -> Iterator[tuple[socket.socket, socket.socket]]:
    with socket.create_server(("127.0.0.1", 0)) as http, socket.create_server(("127.0.0.1", 0)) as door:
        yield http, door


@pytest.fixture
async def starting(
    tmp_path: Path, sockets: tuple[socket.socket, socket.socket], monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Callable[[], Family]]:
    """Starts a family, which ends with the test."""
    monkeypatch.setattr("control.workers.family.Child", ScriptedChild)
    for name in ("started", "slow", "failing", "hanging"):
        monkeypatch.setattr(ScriptedChild, name, [], raising=False)
    found = Settings(data_dir=tmp_path, workers=1, database_url=Secret("postgresql://nobody"))
    family = list[Family]()
    family.append(Family(Parent(found, *sockets, {}, lambda: family[0].answers.append(len(ScriptedChild.started)))))
    made, running = family[0], list[asyncio.Task[None]]()

    def start() -> Family:
        made.running = asyncio.create_task(made.parent.run())
        running.append(made.running)
        return made

    yield start
    made.parent.stop()
    for child in ScriptedChild.started:
        child.busy = False
        child.dies()
    async with asyncio.timeout(10):
        await asyncio.gather(*running)


@pytest.fixture
async def family(starting: Callable[[], Family]) -> Family:
    made = starting()
    await eventually(lambda: len(made.alive("jobs")) == 1)
    return made


async def test_models_that_die_while_live_calls_end_have_a_successor(family: Family) -> None:
    (caller,), (models,) = family.alive("media"), family.alive("models")
    caller.busy = True
    family.parent.stop()
    await eventually(lambda: caller.told)
    models.dies()
    await eventually(lambda: len(family.alive("models")) == 1)
    caller.dies()
    await eventually(lambda: not family.alive("models"))
    assert not family.alive("control")


@pytest.mark.parametrize("role", ["models", "media"])
async def test_one_that_dies_while_its_relief_begins_is_not_replaced_twice(
    family: Family, monkeypatch: pytest.MonkeyPatch, role: str
) -> None:
    (former,) = family.alive(role)
    (jobs,) = family.alive("jobs")
    monkeypatch.setattr(ScriptedChild, "slow", {role})
    family.parent.relieve()
    await eventually(lambda: len(family.alive(role)) == 2)
    former.dies()
    await eventually(lambda: len(family.started(role)) == 3)
    for child in family.alive(role):
        child.began.set()
    await eventually(lambda: jobs.ended.is_set() and len(family.alive("jobs")) == 1)
    assert len(family.alive(role)) == 1


async def test_a_relief_waits_for_no_call_and_another_one_for_the_places_of_the_first(
    family: Family, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("control.workers.parent.ENDS_WITHIN_S", 0.0)
    (first,), (jobs,) = family.alive("media"), family.alive("jobs")
    first.busy = True
    family.parent.relieve()
    await eventually(lambda: jobs.ended.is_set() and len(family.alive("jobs")) == 1)
    assert (first.told, first.ended.is_set()) == (True, False), "its calls have their time"
    _, second = family.alive("media")
    second.busy = True
    family.parent.relieve()  # there are two places
    family.parent.relieve()
    await asyncio.sleep(0.05)
    assert (family.alive("media"), second.told) == ([first, second], False)
    first.dies()
    await eventually(lambda: len(family.started("media")) == 3 and second.told)
    second.dies()  # the one that was asked for meanwhile
    await eventually(lambda: len(family.started("media")) == 4 and len(family.alive("media")) == 1)
    await eventually(lambda: family.parent._relieving is not None and family.parent._relieving.done())
    assert len(family.started("media")) == 4


async def test_one_that_was_relieved_and_does_not_end_is_killed_at_last_and_a_stop_tells_it_to_hurry(
    family: Family, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, told in {"ENDS_WITHIN_S": 0.2, "BEGINS_WITHIN_S": 5.0}.items():
        monkeypatch.setattr(f"control.workers.parent.{name}", told)
    family.parent._found = structs.replace(family.parent._found, relief_drain_s=0)
    (first,) = family.alive("media")
    first.busy = True
    family.parent.relieve()
    await eventually(lambda: first.told)
    assert not first.ended.is_set()
    await eventually(first.ended.is_set)
    family.parent._found = structs.replace(family.parent._found, relief_drain_s=3600, drain_s=0)
    await eventually(lambda: family.parent._relieving is not None and family.parent._relieving.done())
    (second,) = family.alive("media")
    second.busy = True
    family.parent.relieve()
    await eventually(lambda: second.orders == ["relieved"])
    family.parent.stop()
    await eventually(second.ended.is_set)
    assert second.orders[:2] == ["relieved", "drain"]


async def test_jobs_that_do_not_begin_are_tried_again_and_end_no_call(
    starting: Callable[[], Family], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ScriptedChild, "failing", {"jobs"})
    family = starting()
    await eventually(lambda: len(family.started("jobs")) > 1)
    assert len(family.alive("media")) == len(family.alive("control")) == 1
    monkeypatch.setattr(ScriptedChild, "failing", ())
    await eventually(lambda: len(family.alive("jobs")) == 1)
    assert not family.alive("media")[0].told


async def test_that_it_answers_is_said_once_when_the_first_takes_calls(
    starting: Callable[[], Family], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ScriptedChild, "slow", {"control", "media"})
    family = starting()
    await eventually(lambda: len(family.started("media")) == 1)
    await asyncio.sleep(0.05)
    assert family.answers == []
    family.alive("media")[0].began.set()
    await eventually(lambda: family.answers == [3])
    family.alive("control")[0].began.set()
    await eventually(lambda: len(family.alive("jobs")) == 1)
    assert family.answers == [3]


@pytest.mark.parametrize("role", ["models", "control", "media", "jobs"])
async def test_one_that_hangs_while_it_starts_is_killed_and_started_anew_later_and_later(
    starting: Callable[[], Family], monkeypatch: pytest.MonkeyPatch, role: str
) -> None:
    for name, seconds in {"LOOK_S": 0.001, "STACKS_S": 0.001, "FIRST_PAUSE_S": 0.001}.items():
        monkeypatch.setattr(f"control.workers.family.{name}", seconds)
    monkeypatch.setattr(ScriptedChild, "hanging", {role})
    structlog.reset_defaults()
    with structlog.testing.capture_logs() as logs:
        family = starting()
        await eventually(lambda: len(family.started(role)) > 3)
        monkeypatch.setattr(ScriptedChild, "hanging", ())
        await eventually(lambda: any(child.began.is_set() for child in family.started(role)))
        await eventually(lambda: len(family.alive("jobs")) == len(family.alive("media")) == 1)
    hung = [log for log in logs if log["event"] == "a process hangs and is killed"]
    assert {(log["process"], log["while_it"]) for log in hung} == {(f"{role}-0", "starts")}
    pauses = [log["pause_s"] for log in logs if log["event"] == "a process ended and is started anew"]
    assert pauses[:3] == [0.0, 0.002, 0.004]
    assert all(child.hung for child in family.started(role)[:-1])


async def test_one_that_relieves_another_and_hangs_leaves_everybody_as_he_is(
    family: Family, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("control.workers.family.LOOK_S", 0.001)
    (former,) = family.alive("models")
    monkeypatch.setattr(ScriptedChild, "hanging", {"models"})
    family.parent.relieve()
    await eventually(lambda: len(family.started("models")) == 2 and family.started("models")[1].ended.is_set())
    await eventually(lambda: family.parent._relieving is not None and family.parent._relieving.done())
    assert (family.alive("models"), len(family.started("models"))) == ([former], 2)


async def test_a_stop_does_not_wait_for_one_that_hangs_while_it_starts_to_be_followed(
    starting: Callable[[], Family], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("control.workers.family.LOOK_S", 0.001)
    monkeypatch.setattr("control.workers.family.FIRST_PAUSE_S", 30.0)
    monkeypatch.setattr(ScriptedChild, "hanging", {"models"})
    family = starting()
    await eventually(lambda: [child.ended.is_set() for child in family.started("models")] == [True, True])
    family.parent.stop()
    for child in ScriptedChild.started:
        child.dies()
    async with asyncio.timeout(10):  # the pause before the next try is 30 s
        await family.running
