"""One log: every library's lines once, with call and tenant, and never a secret."""

import asyncio
import io
import json
import logging
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog
from loguru import logger as loguru_logger
from pipecat.frames.frames import VADUserStoppedSpeakingFrame
from pipecat.turns.user_stop import SpeechTimeoutUserTurnStopStrategy
from pipecat.utils.asyncio.task_manager import TaskManager

from base.secret import Secret
from control.logs import bound, configure

ROOT = Path(__file__).parents[2]


class Log:
    def __init__(self) -> None:
        self.stream = io.StringIO()

    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.stream.getvalue().splitlines()]


@pytest.fixture
def log() -> Iterator[Log]:
    root, made = logging.getLogger(), Log()
    handlers, level = root.handlers[:], root.level
    configure("json", "info", made.stream)
    yield made
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.captureWarnings(False)
    structlog.reset_defaults()
    loguru_logger.remove()


def test_each_library_writes_one_line_with_the_facts_that_were_bound(log: Log) -> None:
    with bound(call="c1", tenant="t1"):
        structlog.get_logger().info("call answered", revision=3)
        logging.getLogger("somebody").warning("slow %s", "disk")
        loguru_logger.warning("frame {} late", 7)
    structlog.get_logger().info("idle")
    answered, slow, late, idle = log.lines()
    assert (answered["event"], answered["level"], answered["revision"]) == ("call answered", "info", 3)
    assert (slow["event"], slow["source"]) == ("slow disk", "somebody")
    assert (late["event"], late["level"], late["source"]) == ("frame 7 late", "warning", __name__)
    assert all((line["call"], line["tenant"]) == ("c1", "t1") for line in (answered, slow, late))
    assert "call" not in idle
    assert idle["timestamp"].endswith("Z")


async def test_two_calls_at_once_keep_their_facts_apart(log: Log) -> None:
    async def call(name: str, mine: asyncio.Event, others: asyncio.Event) -> None:
        with bound(call=name):
            mine.set()
            await others.wait()
            loguru_logger.error("from {}", name)
            structlog.get_logger().info(f"of {name}")

    one, two = asyncio.Event(), asyncio.Event()
    await asyncio.gather(call("a", one, two), call("b", two, one))
    assert {(line["event"][-1], line["call"]) for line in log.lines()} == {("a", "a"), ("b", "b")}
    assert len(log.lines()) == 4


def test_secrets_do_not_appear_by_type_name_or_depth(log: Log) -> None:
    structlog.get_logger().info(
        "connected",
        url=Secret("hush"),
        password="hush",
        headers={"Authorization": "Bearer hush", "X-Api-Key": "hush", "Accept": "*/*"},
        chain=[{"db_password": "hush"}, Secret("hush")],
        access_token="hush",
        tokens=12,
    )
    (line,) = log.lines()
    assert "hush" not in log.stream.getvalue()
    assert line["tokens"] == 12
    assert line["headers"]["Accept"] == "*/*"


def test_levels_hold_for_all_and_pipecats_chatter_is_not_an_operators(log: Log) -> None:
    structlog.get_logger().debug("no")
    logging.getLogger("somebody").debug("no")
    logging.getLogger("httpx").info("no")
    loguru_logger.info("no")
    assert log.lines() == []
    configure("json", "debug", log.stream)
    structlog.get_logger().debug("yes")
    for library in ("openai._base_client", "anthropic", "somebody"):
        logging.getLogger(library).debug("no")
    loguru_logger.info("yes")
    assert [line["event"] for line in log.lines()] == ["yes", "yes"]


async def test_what_pipecat_tells_its_developers_is_not_an_operators(log: Log) -> None:
    """A turn that ends by a detector of ours; pipecat itself says what it thinks of that."""
    end = SpeechTimeoutUserTurnStopStrategy(user_speech_timeout=0.0)  # type: ignore[no-untyped-call]
    end._task_manager = TaskManager()
    await end.process_frame(VADUserStoppedSpeakingFrame(stop_secs=0.192))
    await end.cleanup()  # type: ignore[no-untyped-call]
    assert [line["event"] for line in log.lines() if line["level"] != "debug"] == []


def test_pipecat_does_not_quote_what_is_said_at_any_level(log: Log) -> None:
    loguru_logger.warning("tts#0: service is no longer usable, not speaking [o resultado [HIV]\né positivo]")
    configure("json", "debug", log.stream)
    loguru_logger.debug("tts#0: Generating TTS [bom dia]")
    warned, told = [line["event"] for line in log.lines()]
    assert warned == "tts#0: service is no longer usable, not speaking […]"
    assert told == "tts#0: Generating TTS […]"


def test_exceptions_are_told_once_with_their_cause(log: Log) -> None:
    try:
        int("bad")
    except ValueError:
        structlog.get_logger().exception("failed")
        loguru_logger.exception("failed too")
    ours, theirs = log.lines()
    assert "ValueError: invalid literal" in ours["exception"]
    assert "ValueError: invalid literal" in theirs["exception"]


def test_configuring_again_doubles_nothing_and_console_is_for_people(log: Log) -> None:
    configure("console", "info", log.stream)
    configure("console", "info", log.stream)
    structlog.get_logger().info("call answered", tenant="t1")
    loguru_logger.warning("hm")
    lines = log.stream.getvalue().splitlines()
    assert len(lines) == 2
    assert "call answered" in lines[0]
    assert "tenant=t1" in lines[0]


def test_words_with_percent_signs_and_braces_are_left_alone(log: Log) -> None:
    loguru_logger.warning("100% of {them}")
    structlog.get_logger().info("100% {x} %s")
    logging.getLogger("x").warning("100%")
    assert [line["event"] for line in log.lines()] == ["100% of {them}", "100% {x} %s", "100%"]


def test_pipecat_does_not_greet() -> None:
    imports = "import control.logs, pipecat"
    done = subprocess.run([sys.executable, "-c", imports], cwd=ROOT, capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("", "")
