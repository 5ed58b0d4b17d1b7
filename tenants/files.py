"""Which files of a folder are tenants' documents."""

from pathlib import Path
from typing import Final

ENDINGS: Final = (".yaml", ".yml")
"""The first goes before the second, where there are both of one name."""


def files_of(folder: Path) -> list[Path]:
    """The tenants' files, by name. Blocks."""
    return sorted(filter(is_tenant_file, folder.glob("*")))


def is_tenant_file(file: Path) -> bool:
    """Whether its name is that of a tenant's document, and no editor's own."""
    return file.suffix in ENDINGS and not file.name.startswith(".")


def twin_of(file: Path) -> Path | None:
    """The file of the same name that goes before this one, if it is there. Blocks."""
    first, second = ENDINGS
    twin = file.with_suffix(first)
    return twin if file.suffix == second and twin.is_file() else None


def twin_told(twin: Path) -> str:
    """What is wrong with a file that has such a twin."""
    return f"{twin.name} is there, too, and goes before this one: keep one of the two"
