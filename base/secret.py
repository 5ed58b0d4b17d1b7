"""A value that never shows itself by accident."""

from typing import Annotated, Final

from msgspec import Meta, Struct


class Secret:
    """Holds a secret; `str`, `repr` and formatting show only that there is one.

    Call `reveal` at the place where the value leaves for its service, nowhere else.
    """

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value: Final = value

    def reveal(self) -> str:
        """The value itself."""
        return self._value

    def __repr__(self) -> str:
        return "Secret(…)"

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return repr(self)

    def __bool__(self) -> bool:
        return bool(self._value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._value == self._value

    def __hash__(self) -> int:
        return hash((Secret, self._value))

    def __reduce__(self) -> str:
        raise TypeError("a Secret is never pickled")


class SecretRef(Struct, frozen=True, forbid_unknown_fields=True):
    """`{secret: name}`: a secret of the tenant's own, by name."""

    secret: Annotated[str, Meta(pattern=r"^[a-z][a-z0-9_-]{0,62}\Z", description="a secret's name")]
    """Its name, as `atende secret` was given it."""
