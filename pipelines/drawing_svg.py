"""A pipeline drawn as a picture: boxes in rows and columns, as they run. Pure."""

from html import escape
from typing import Final

from msgspec import Struct

from pipelines.check import CheckedAssistant
from pipelines.drawing import TURN, about, title, totals
from pipelines.figures import StageFigures, estimate
from pipelines.plan import Graph, Series, Single

_WIDTH, _HEIGHT, _GAP, _PAD, _LINE = 150, 62, 26, 14, 36


class _Box(Struct, frozen=True):
    """Something drawn, with where lines go in and out: at the left and the right, `middle` from its top."""

    width: int
    height: int
    svg: str

    @property
    def middle(self) -> int:
        return self.height // 2


def as_svg(assistants: list[CheckedAssistant]) -> str:
    """One picture, an assistant under the other. It has no script, no link and no font of its own."""
    y, width, drawn = _PAD, 0, []
    for assistant in assistants:
        found = estimate(assistant)
        figures = {one.id: one for one in found.stages}
        slots = (("ear", assistant.slots.ear), ("mind", assistant.slots.mind))
        ear, mind = (_slot(name, _box(graph, figures)) for name, graph in slots)
        line = _row([_mark("wire"), ear, _mark(TURN), mind, _mark("wire")])
        head = f'<text class="t" x="0" y="14">{escape(title(assistant))}</text>'
        told = "".join(
            f'<text class="s" x="0" y="{_LINE + line.height + 18 * (place + 1)}">{escape(text)}</text>'
            for place, text in enumerate(totals(found))
        )
        drawn.append(f'<g transform="translate({_PAD},{y})">{head}{_at(line, 0, _LINE)}{told}</g>')
        y += _LINE + line.height + 18 * 3 + _PAD
        width = max(width, line.width, *(7 * len(text) for text in totals(found)))
    size = f'width="{width + 2 * _PAD}" height="{y}" viewBox="0 0 {width + 2 * _PAD} {y}"'
    return f'<svg xmlns="http://www.w3.org/2000/svg" {size}>{_STYLE}{"".join(drawn)}</svg>\n'


_STYLE: Final = (
    "<style>text{font:12px sans-serif;fill:#223}.t{font:bold 14px sans-serif}.s{fill:#556}.m{text-anchor:middle}"
    ".b{fill:#eef4ff;stroke:#4a6fa5}.g{fill:#fff;stroke:#99a;stroke-dasharray:4 3}"
    "path{stroke:#4a6fa5;fill:none}svg{background:#fff}</style>"
)


def _box(graph: Graph, figures: dict[str, StageFigures]) -> _Box:
    if isinstance(graph, Single):
        one = figures[graph.id]
        texts = (("t m", one.id), ("m", one.use), ("s m", about(one)[1]))
        words = "".join(
            f'<text class="{kind}" x="{_WIDTH // 2}" y="{18 * (place + 1)}">{escape(text)}</text>'
            for place, (kind, text) in enumerate(texts)
        )
        return _Box(_WIDTH, _HEIGHT, f'<rect class="b" width="{_WIDTH}" height="{_HEIGHT}" rx="6"/>{words}')
    parts = [_box(part, figures) for part in graph.parts]
    return _row(parts) if isinstance(graph, Series) else _column(parts)


def _mark(text: str) -> _Box:
    width = 8 * len(text)
    return _Box(width, 20, f'<text class="s m" x="{width // 2}" y="14">{escape(text)}</text>')


def _slot(name: str, inner: _Box) -> _Box:
    """A dashed frame with a name round something."""
    width, height = max(inner.width, 40) + 2 * _PAD, max(inner.height, 20) + 2 * _PAD
    frame = f'<rect class="g" width="{width}" height="{height}" rx="8"/><text class="s" x="6" y="-4">{name}</text>'
    return _Box(width, height, frame + _at(inner, _PAD, _PAD))


def _row(parts: list[_Box]) -> _Box:
    height, x, drawn = max((part.height for part in parts), default=0), 0, ""
    for part in parts:
        drawn += _line(x - _GAP, height // 2, x, height // 2) if x else ""
        drawn += _at(part, x, height // 2 - part.middle)
        x += part.width + _GAP
    return _Box(max(0, x - _GAP), height, drawn)


def _column(parts: list[_Box]) -> _Box:
    """Side by side: under one another, with lines from and to the middle of the left and the right."""
    wide = max(part.width for part in parts)
    height = sum(part.height for part in parts) + _PAD * (len(parts) - 1)
    y, drawn = 0, ""
    for part in parts:
        left = _GAP + (wide - part.width) // 2
        drawn += _line(0, height // 2, left, y + part.middle) + _at(part, left, y)
        drawn += _line(left + part.width, y + part.middle, wide + 2 * _GAP, height // 2)
        y += part.height + _PAD
    return _Box(wide + 2 * _GAP, height, drawn)


def _at(box: _Box, x: int, y: int) -> str:
    return f'<g transform="translate({x},{y})">{box.svg}</g>'


def _line(x: int, y: int, to_x: int, to_y: int) -> str:
    return f'<path d="M{x} {y}L{to_x} {to_y}"/>'
