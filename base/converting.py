"""msgspec's `convert` for whoever works on threads."""

import threading
from typing import Any, Final, TypeVar

import msgspec

T = TypeVar("T")

_ONE_AT_A_TIME: Final = threading.RLock()


def convert(value: Any, kind: type[T]) -> T:
    """As `msgspec.convert` does it. Raises ValidationError.

    A type is looked into when it is used first, and msgspec (0.22) crashes the interpreter where another thread uses it
    meanwhile: documents of several tenants that are read side by side name the same stages.
    """
    with _ONE_AT_A_TIME:
        return msgspec.convert(value, kind)
