"""What all endpoints of the model server have in common: who asks, and bodies that are read once."""

from typing import Any, TypeVar

import msgspec
from litestar import Request

from control.models_role.refusals import RequestRefusedError
from processors.served.protocol import CLIENT

Ask = Request[Any, Any, Any]
T = TypeVar("T")


def client_of(request: Ask) -> str:
    """Whoever it says that it is; empty: nobody in particular."""
    return request.headers.get(CLIENT, "")[:64]


def body_of(sent: bytes, kind: type[T]) -> T:
    """Raises RequestRefusedError."""
    try:
        return msgspec.json.decode(sent, type=kind)
    except msgspec.DecodeError as error:
        raise RequestRefusedError("body") from error
