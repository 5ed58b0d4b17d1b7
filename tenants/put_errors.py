"""What an operator's PUT says: how it went, or why it was refused, with everything that an answer needs."""

from collections.abc import Sequence
from pathlib import Path
from typing import TypeAlias

from msgspec import Struct

from base.ids import TenantId
from processors.factory import PrepareError
from tenants.errors import Located


class Published(Struct, frozen=True, kw_only=True):
    """What answers now; of a dry run what would."""

    number: int
    digest: str
    """SHA-256 of the text, in hex: the `expected` of the next PUT."""
    changed: bool
    """Whether there is a new revision."""
    notices: tuple[Located, ...] = ()
    """What it says that nothing acts on."""
    problems: tuple[str, ...] = ()
    """What does not answer as it should beside it, for one that is on trial."""


class Current(Struct, frozen=True, kw_only=True):
    """A tenant's text as it counts now. What its file says beyond that could not be used, or was not seen yet."""

    number: int | None
    """None: it waits to be loaded, and is no revision yet."""
    digest: str
    document: bytes
    file: Path


class OneOf(Struct, frozen=True):
    """Which texts may be replaced: those of these digests; None: whatever is there."""

    digests: frozenset[str] | None

    def has(self, digest: str) -> bool:
        return self.digests is None or digest in self.digests


Expected: TypeAlias = str | OneOf
"""What is to be replaced: the text of this digest, or one of several."""


class TooLargeError(Exception):
    """A document has more bytes than one may have."""

    def __init__(self, size_bytes: int, max_bytes: int) -> None:
        super().__init__(f"the document has {size_bytes} bytes; {max_bytes} are the most")
        self.size_bytes = size_bytes
        self.max_bytes = max_bytes


class StaleError(Exception):
    """What was to be replaced is not what is there (any more)."""

    def __init__(self, current_digest: str | None) -> None:
        super().__init__("the tenant's document is another one: read it again")
        self.current_digest = current_digest
        """Of what is there; None where nothing is."""


class NotReadyError(PrepareError):
    """The document is right, and cannot be made ready. What answered before answers."""

    def __init__(self, problems: Sequence[Located]) -> None:
        super().__init__("\n".join(map(str, problems)))
        self.problems = tuple(problems)


class FileTakenError(Exception):
    """The file that a new tenant would get is there, and is another one's."""

    def __init__(self, file: Path, owner: TenantId | None) -> None:
        whose = f"is that of tenant {owner}" if owner is not None else "is there, and tells no tenant's id"
        super().__init__(f"{file.name} {whose}")
        self.file = file
        self.owner = owner


class RevisionUnknownError(LookupError):
    """The tenant has no revision of this number."""

    def __init__(self, number: int) -> None:
        super().__init__(f"there is no revision {number}")
        self.number = number
