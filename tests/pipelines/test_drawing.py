"""The graph drawn: every stage is there, arrows are the order, boxes lie apart, totals are the estimate's."""

import re
from itertools import combinations
from xml.etree import ElementTree as ET

from pipelines.drawing import as_mermaid, as_text
from pipelines.drawing_svg import as_svg
from tests.pipelines.test_roles import checked, node

SVG = "{http://www.w3.org/2000/svg}"
TAPS = checked(
    "vad.a", "stt.a", node("filter.tap", "stt-a"), node("filter.other", "stt-a"),
    node("llm.a", "filter-tap", "filter-other"), "tts.a",
)  # fmt: skip
REALTIME = checked("vad.a", "realtime.a")


def test_as_text() -> None:
    assert as_text(TAPS).splitlines() == [
        "front (100)",
        "  wire ► [ vad-a ► stt-a ] ► the caller's turn ► [ ( filter-other ‖ filter-tap ) ► llm-a ► tts-a ] ► wire",
        "  vad-a vad.a                 ≤ 200 ms  $0",
        "  stt-a stt.a                    ≤ 1 s  $0",
        "  filter-other filter.other     ≤ 0 ms  $?",
        "  filter-tap filter.tap         ≤ 0 ms  $?",
        "  llm-a llm.a                    ≤ 2 s  $?",
        "  tts-a tts.a                     ? ms  $0.001",
        "  longest wait: 13.6 s (ear 1.2 s, turn 0.4 s, mind 12 s; not known: tts-a)",
        "  a turn costs: $0.001, and what filter-other, filter-tap, llm-a costs, which is not known",
    ]


def test_mermaids_arrows_are_the_order() -> None:
    drawn = as_mermaid([TAPS, REALTIME])
    labels = dict(re.findall(r'^ *(a\d_\d)\["([\w-]+)<br/>', drawn, re.MULTILINE))
    name = {**labels, "a0_in": "in", "a0_turn": "turn", "a0_out": "out"}
    arrows = re.findall(r"^ *(a0_\w+) --> (a0_\w+)$", drawn, re.MULTILINE)
    assert {(name[a], name[b]) for a, b in arrows} == {
        ("in", "vad-a"), ("vad-a", "stt-a"), ("stt-a", "turn"), ("turn", "filter-tap"), ("turn", "filter-other"),
        ("filter-tap", "llm-a"), ("filter-other", "llm-a"), ("llm-a", "tts-a"), ("tts-a", "out"),
    }  # fmt: skip
    assert len(arrows) == 9
    assert drawn.count("subgraph ") == drawn.count(" end\n") == 6


def boxes(svg: str) -> list[tuple[float, float, float, float]]:
    """Left, top, right and bottom of every stage."""
    found: list[tuple[float, float, float, float]] = []

    def walk(element: ET.Element, x: float, y: float) -> None:
        if moved := re.fullmatch(r"translate\((-?\d+),(-?\d+)\)", element.get("transform", "")):
            x, y = x + float(moved[1]), y + float(moved[2])
        if element.tag == f"{SVG}rect" and element.get("class") == "b":
            found.append((x, y, x + float(element.get("width", 0)), y + float(element.get("height", 0))))
        for inner in element:
            walk(inner, x, y)

    walk(ET.fromstring(svg), 0.0, 0.0)
    return found


def test_the_picture_has_every_stage_in_a_box_of_its_own() -> None:
    svg = as_svg([TAPS, REALTIME])
    root = ET.fromstring(svg)
    texts = {element.text for element in root.iter(f"{SVG}text")}
    assert {stage.id for stage in (*TAPS.stages, *REALTIME.stages)} <= texts
    assert "longest wait: 13.6 s (ear 1.2 s, turn 0.4 s, mind 12 s; not known: tts-a)" in texts
    found = boxes(svg)
    assert len(found) == len(TAPS.stages) + len(REALTIME.stages)
    for one, other in combinations(found, 2):
        assert one[2] <= other[0] or other[2] <= one[0] or one[3] <= other[1] or other[3] <= one[1]
    width, height = float(root.get("width", 0)), float(root.get("height", 0))
    assert all(left >= 0 and right <= width and top >= 0 and bottom <= height for left, top, right, bottom in found)
    assert not {element.tag for element in root.iter()} & {f"{SVG}script", f"{SVG}a", f"{SVG}image", f"{SVG}use"}
