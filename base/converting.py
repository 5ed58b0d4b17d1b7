"""msgspec's `convert` for whoever works on threads, and what it knows of a type.

A type is looked into when it is used first, and msgspec (0.22) crashes the interpreter where another thread uses it
meanwhile: documents of several tenants that are read side by side name the same stages.
"""

import threading
from functools import cache
from typing import Any, Final, TypeVar

import msgspec
from msgspec import inspect

T = TypeVar("T")

_ONE_AT_A_TIME: Final = threading.RLock()


def convert(value: Any, kind: type[T]) -> T:
    """As `msgspec.convert` does it. Raises ValidationError."""
    with _ONE_AT_A_TIME:
        return msgspec.convert(value, kind)


def type_info(kind: Any) -> inspect.Type:
    """As `msgspec.inspect.type_info` has it, which looks into a type like a use of it."""
    with _ONE_AT_A_TIME:
        return _type_info(kind)


_type_info = cache(inspect.type_info)
