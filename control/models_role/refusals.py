"""Why a request was refused, as OpenAI's servers say it."""

from collections.abc import Callable
from typing import Any, Final

import structlog
from litestar import Request, Response
from litestar.exceptions import HTTPException

from control.models_role.gone import ClientGoneError
from control.models_role.shelf import ModelUnknownError
from processors.compute import LaneFullError
from processors.factory import PrepareError
from processors.served.protocol import NOT_READY, ErrorAnswer, ErrorBody

Ask = Request[Any, Any, Any]
GONE: Final = 499
"""Nobody reads it."""
RETRY_AFTER_S: Final = "1"

log = structlog.get_logger()


class RequestRefusedError(Exception):
    """A field, or header, of the request cannot be used; `field` is its name."""

    def __init__(self, field: str) -> None:
        self.field = field
        super().__init__(f"{field} cannot be used")


def _answer(status: int, message: str, code: str) -> Response[ErrorAnswer]:
    kind = "server_error" if status >= 500 else "invalid_request_error"
    headers = {"Retry-After": RETRY_AFTER_S} if status == 503 else None
    body = ErrorAnswer(error=ErrorBody(message=message, type=kind, code=code))
    return Response(body, status_code=status, headers=headers)


def _always(status: int, message: str, code: str) -> Callable[[Ask, Exception], Response[ErrorAnswer]]:
    return lambda _request, _error: _answer(status, message, code)


def _refused(_: Ask, error: RequestRefusedError) -> Response[ErrorAnswer]:
    return _answer(400, str(error), "invalid_value")


def _not_ready(_: Ask, error: PrepareError) -> Response[ErrorAnswer]:
    log.error("a model cannot be used", reason=str(error))
    return _answer(424, str(error), NOT_READY)


def _http(_: Ask, error: HTTPException) -> Response[ErrorAnswer]:
    return _answer(error.status_code, error.detail, "http")


def _failed(_: Ask, error: Exception) -> Response[ErrorAnswer]:
    # Its type alone: a library's message may hold what was said.
    log.error("a request failed", error=type(error).__name__)
    return _answer(500, "it failed", type(error).__name__)


HANDLERS: Final[dict[int | type[Exception], Any]] = {
    RequestRefusedError: _refused,
    ModelUnknownError: _always(404, "there is no such model here", "model_not_found"),
    PrepareError: _not_ready,
    LaneFullError: _always(503, "there is too much to do", "overloaded"),
    TimeoutError: _always(504, "it took too long", "timeout"),
    ClientGoneError: _always(GONE, "the client has gone", "gone"),
    HTTPException: _http,
    Exception: _failed,
}
