"""One log for everything: ours (structlog), the standard library's, and pipecat's (loguru).

Console for people, JSON for machines, both to standard error. `call` and `tenant` are bound once, where a
call begins (`bound`), and are in every line that is written from there on, whichever library writes it:
they live in a context variable, and tasks inherit it. Secrets have two fences: `Secret` never shows
itself, and values under names such as `password` or `authorization` are replaced whoever logs them.
"""

import logging
import re
import sys
from collections.abc import Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from typing import Any, Final, Literal, TextIO

import structlog
from loguru import logger as loguru_logger

from base.secret import Secret

# pipecat greets on standard error when it is imported, which is before anybody can call `configure`.
loguru_logger.remove()

HIDDEN: Final = "…"
_SECRET_NAME: Final = re.compile(
    r"(?i)(^|[._-])(password|passwd|pwd|secret|token|authorization|cookie|credentials?|dsn)$|api[_-]?key|private[_-]?key"
)
_QUIET: Final = (
    "httpx",
    "httpcore",
    "httpcore2",
    "httpx2",
    "asyncio",
    "chromadb",
    "urllib3",
    "numba",
    "watchfiles",
    "websockets",
    "pgqueuer",
)
"""Libraries whose chatter below WARNING is not for an operator; websockets would tell a media socket's URL, a key."""
_QUOTED: Final = re.compile(r"\[.*\]", re.DOTALL)
"""How pipecat quotes what is said, also in warnings: `not speaking [the words]`."""
_FOR_DEVELOPERS: Final = "pipecat-ai/stt-benchmark"
"""pipecat warns in each call that a detector quicker than its own makes its table of latencies wrong; our turns do not
end by that table.
"""
_LOGURU_LEVELS: Final = {"TRACE": "debug", "SUCCESS": "info"}


def configure(format_: Literal["console", "json"], level: str, stream: TextIO | None = None) -> None:
    """Send every log line to `stream` (standard error when None). May be called again; the last wins."""
    number = logging.getLevelNamesMapping()[level.upper()]
    out = stream or sys.stderr
    shared = _shared()
    handler = logging.StreamHandler(out)
    handler.addFilter(_no_librarys_debug)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                *_rendering(format_, colors=out.isatty()),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(number)
    for name in _QUIET:
        logging.getLogger(name).setLevel(max(number, logging.WARNING))
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access", "litestar"):
        logging.getLogger(name).handlers.clear()
        logging.getLogger(name).propagate = True
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )
    logging.captureWarnings(True)
    _bridge_loguru(number)


@contextmanager
def bound(**facts: str) -> Iterator[None]:
    """Every line written inside (also by tasks started inside) has these facts: `call`, `tenant`."""
    with structlog.contextvars.bound_contextvars(**facts):
        yield


def redact(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Hide what is a secret by its type or by its name, at any depth."""
    for name in list(event):
        event[name] = _safe(name, event[name])
    return event


def _safe(name: str, value: Any) -> Any:
    if isinstance(value, Secret) or (_SECRET_NAME.search(name) and value is not None):
        return HIDDEN
    if isinstance(value, Mapping):
        return {key: _safe(str(key), item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_safe("", item) for item in value]
    return value


def _shared() -> list[Any]:
    return [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        _add_source,
        structlog.stdlib.PositionalArgumentsFormatter(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
        redact,
    ]


def _add_source(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Which library speaks, when it is not us."""
    record = event.get("_record")
    if record is not None and record.name not in {"root", "loguru"}:
        event.setdefault("source", record.name)
    return event


def _rendering(format_: str, *, colors: bool) -> list[Any]:
    if format_ == "json":
        return [structlog.processors.format_exc_info, structlog.processors.JSONRenderer(ensure_ascii=False)]
    return [structlog.dev.ConsoleRenderer(colors=colors, exception_formatter=structlog.dev.plain_traceback)]


def _no_librarys_debug(record: logging.LogRecord) -> bool:
    """Whether it is told: a library's DEBUG is not, whichever it is. Providers' clients tell whole prompts there."""
    return record.levelno > logging.DEBUG or isinstance(record.msg, dict)  # as structlog hands on what is ours


def _bridge_loguru(number: int) -> None:
    """pipecat logs each frame's adventures at DEBUG: its INFO is our DEBUG, its warnings and errors are ours.

    It quotes what is spoken in brackets, at DEBUG each sentence: what stands in them is left out.
    """
    loguru_logger.remove()
    wanted = "DEBUG" if number <= logging.DEBUG else "WARNING"
    loguru_logger.add(_from_loguru, level=wanted, format="{message}", backtrace=False, diagnose=False)


def _from_loguru(message: Any) -> None:
    record = message.record
    if _FOR_DEVELOPERS in record["message"]:
        return
    level = _LOGURU_LEVELS.get(record["level"].name, record["level"].name.lower())
    error = record["exception"]
    facts: dict[str, Any] = {"source": record["name"]}
    if error is not None and error.value is not None:
        facts["exc_info"] = error.value
    told = _QUOTED.sub(f"[{HIDDEN}]", record["message"])
    structlog.get_logger("loguru").log(logging.getLevelNamesMapping()[level.upper()], told, **facts)
