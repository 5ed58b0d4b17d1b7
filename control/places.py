"""What the processes of one node share out between them, as far as the settings say it: ports, one place each. Pure."""

from collections.abc import Mapping
from typing import Final

from tenants.roles import Role

EVERYWHERE: Final = ("0.0.0.0", "::")  # noqa: S104 - refused
BESIDE: Final[tuple[Role, ...]] = ("jobs",)
"""Roles of which a node with workers has one process, beside the one with the REST API and those that take calls."""


def contradictions(
    places: int, *, pairs: int, calls: int, internal_host: str, taken: Mapping[str, int], firsts: Mapping[str, int]
) -> list[str]:
    """What cannot be: a line for each.

    `pairs` of media ports are there for all places, and each may have `calls`. `taken` are ports of others by their
    variables without `ATENDE_`, `firsts` those of which each place has the next; 0: any free one.
    """
    problems = []
    if internal_host in EVERYWHERE:
        told = f"{internal_host} is no address that others could ask; give one of this machine's"
        problems.append(f"ATENDE_INTERNAL_HOST: {told}")
    if (each := pairs // places) < calls:
        told = f"there are {each} pairs for each of {places} places, and ATENDE_MAX_CALLS is {calls}"
        problems.append(f"ATENDE_MEDIA_PORTS: {told}; widen the range, or take fewer calls")
    owners = {number: name for name, number in taken.items() if number}
    for name, first in firsts.items():
        many = places + len(BESIDE) if name == "INTERNAL_PORT" else places
        for number in range(first, first + many) if first else ():
            if (other := owners.setdefault(number, name)) != name:
                problems.append(f"ATENDE_{name}: {first} and the {many - 1} ports after it reach into ATENDE_{other}")
                break
    return problems
