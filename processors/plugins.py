"""Stages of other distributions: found by their entry points, imported only when an operator names them."""

import re
from collections.abc import Iterable, Sequence
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points

from msgspec import Struct

from processors.catalog import CATALOG, StageEntry, Stages, nearest
from processors.factory import ProcessorFactory, Role

GROUP = "atende.stages"
"""The group of entry points; each is `role.name = "module:Factory"`."""

_ROLES = "|".join(role.value for role in Role)
_USE = re.compile(rf"(?P<role>{_ROLES})\.[a-z][a-z0-9_]{{0,62}}")


class PluginError(Exception):
    """A named plugin cannot be used; the message says which, why, and what to do about it."""


def stages_with(named: Sequence[str]) -> Stages:
    """Our own stages and those of the named plugins: each a distribution (all of its stages) or one stage's name.

    Nothing of a plugin that is not named is imported. Raises PluginError with every fault.
    """
    if not named:
        return Stages()
    faults: list[str] = []
    entries: dict[str, StageEntry] = {}
    for point in _chosen(named, faults):
        try:
            entry = _entry(point, entries)
            entries[entry.use] = entry
            _imported(entry, point)
        except PluginError as error:
            faults.append(str(error))
    if faults:
        raise PluginError("; ".join(faults))
    return Stages((*CATALOG, *entries.values()))


def _chosen(named: Sequence[str], faults: list[str]) -> list[EntryPoint]:
    found = list(entry_points(group=GROUP))
    chosen: dict[tuple[str, str, str], EntryPoint] = {}
    for name in named:
        points = [point for point in found if name == point.name or _plain(name) == _plain(_owner(point))]
        if not points:
            near = nearest(name, dict.fromkeys([*(point.name for point in found), *map(_owner, found)]))
            meant = f"did you mean {near!r}?" if near else f"install it, or take {name!r} out of ATENDE_PLUGINS"
            faults.append(f"no installed distribution or stage is called {name!r}; {meant}")
        chosen |= {(_owner(point), point.name, point.value): point for point in points}
    return list(chosen.values())


def _owner(point: EntryPoint) -> str:
    return point.dist.name if point.dist is not None else ""


def _plain(name: str) -> str:
    """As package registries compare names of distributions."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _entry(point: EntryPoint, others: Iterable[str]) -> StageEntry:
    match = _USE.fullmatch(point.name)
    where = f"the plugin {_owner(point)!r}"
    if match is None:
        raise PluginError(
            f"{where}: {point.name!r} is not `role.name` with one of the roles {_ROLES.replace('|', ', ')}"
        )
    if point.name in Stages() or point.name in others:
        raise PluginError(f"{where}: there is a stage {point.name!r} already; plugins replace none")
    module, _, factory = point.value.partition(":")
    if not factory.isidentifier():
        raise PluginError(f"{where}: {point.name!r} points to {point.value!r}, which is not `module:Factory`")
    return StageEntry(point.name, Role(match["role"]), module, factory)


def _imported(entry: StageEntry, point: EntryPoint) -> None:
    """Raises PluginError for what cannot be imported, or is not what its entry point says."""
    where = f"the plugin {_owner(point)!r}: {entry.use!r}"
    try:
        kind = getattr(import_module(entry.module), entry.factory)
    except Exception as error:
        # Whatever a module of others does when it is imported, the operator has to learn whose it is.
        raise PluginError(f"{where} cannot be imported: {error!r}") from error
    if not (isinstance(kind, type) and issubclass(kind, ProcessorFactory)):
        raise PluginError(f"{where} is no ProcessorFactory")
    if (getattr(kind, "use", None), getattr(kind, "role", None)) != (entry.use, entry.role):
        raise PluginError(f"{where}: its class says use={getattr(kind, 'use', None)!r}; set `use` and `role` to fit")
    config = getattr(kind, "config_type", None)
    if not (isinstance(config, type) and issubclass(config, Struct) and _is_strict(config)):
        raise PluginError(f"{where}: its config_type has to be a frozen msgspec Struct with forbid_unknown_fields")


def _is_strict(config: type[Struct]) -> bool:
    return config.__struct_config__.frozen and config.__struct_config__.forbid_unknown_fields
