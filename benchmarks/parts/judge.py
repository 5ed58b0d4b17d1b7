"""Figures against their bounds, and the one JSON line at the end."""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from rich.console import Console
from rich.table import Table


def percentile(values: Sequence[float], q: float) -> float:
    """The nearest-rank percentile, `q` in 0..1; NaN of nothing."""
    if not values:
        return math.nan
    ranked = sorted(values)
    return ranked[max(0, math.ceil(q * len(ranked)) - 1)]


@dataclass(frozen=True)
class Figure:
    """One measured number; without a bound it is only reported."""

    name: str
    value: float
    unit: str = ""
    bound: float | None = None
    holds: Literal["<=", ">="] = "<="

    @property
    def good(self) -> bool:
        """Whether the bound holds; a NaN never does."""
        if self.bound is None:
            return True
        return self.value <= self.bound if self.holds == "<=" else self.value >= self.bound


@dataclass
class Report:
    """All figures of one run."""

    name: str
    mode: str
    figures: list[Figure] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def add(
        self, name: str, value: float, unit: str = "", *, most: float | None = None, least: float | None = None
    ) -> None:
        """Keep a figure; `most` or `least` is its bound."""
        bound, holds = (least, ">=") if least is not None else (most, "<=")
        self.figures.append(Figure(name, value, unit, bound, holds))  # type: ignore[arg-type]

    @property
    def short(self) -> list[Figure]:
        """The figures whose bound does not hold."""
        return [figure for figure in self.figures if not figure.good]

    def show(self, console: Console) -> None:
        """The table for people."""
        table = Table("figure", "value", "bound", "", title=f"{self.name} ({self.mode})")
        for figure in self.figures:
            bound = "" if figure.bound is None else f"{figure.holds} {figure.bound:g}"
            verdict = "" if figure.bound is None else ("[green]holds" if figure.good else "[red]short")
            table.add_row(figure.name, f"{figure.value:.4g} {figure.unit}".strip(), bound, verdict)
        console.print(table)
        for note in self.notes:
            console.print(f"  {note}", highlight=False)

    def last_line(self) -> str:
        """One JSON object: every figure by name, and what fell short."""
        values = {f.name: None if math.isnan(f.value) else round(f.value, 4) for f in self.figures}
        return json.dumps({"benchmark": self.name, "mode": self.mode, **values, "short": [f.name for f in self.short]})


def tell(report: Report, name: str, took_ms: Sequence[float], most: float | None = None) -> None:
    """Add the percentiles of these milliseconds; `most` is the bound of the 95th."""
    report.add(f"{name}_p50_ms", percentile(took_ms, 0.5), "ms")
    report.add(f"{name}_p95_ms", percentile(took_ms, 0.95), "ms", most=most)
    report.add(f"{name}_p99_ms", percentile(took_ms, 0.99), "ms")
