"""The directive `tuning-table`: the tuned numbers of a solver, as the library returns them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from docutils import nodes
from docutils.parsers.rst import Directive
from docutils.statemachine import StringList

from gridcompute import _core

if TYPE_CHECKING:
    from sphinx.application import Sphinx

TITLES = ("name", "default", "range", "unit", "decides", "measured")


def shown(value: float) -> str:
    """A number in short: whole ones with separators, powers of two beyond a million as such."""
    size = int(value)
    if value != size:
        return f"{value:.6g}"
    if size >= 1 << 20 and size & (size - 1) == 0:
        return f"2^{size.bit_length() - 1}"
    return f"{size:,}"


def rows(solver: str) -> list[tuple[str, ...]]:
    """The lines of the table, as text."""
    return [
        (
            f"`{e['name']}`",
            shown(e["default"]),
            f"{shown(e['low'])} to {shown(e['high'])}",
            *(e[key].replace("*", "\\*") for key in ("unit", "decides", "measured")),
        )
        for e in _core.tuning_table(solver)
    ]


class TuningTable(Directive):
    """Writes the table of the solver that its argument names."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        solver = self.arguments[0]
        lines = [".. list-table::", "   :header-rows: 1", ""]
        for row in [TITLES, *rows(solver)]:
            lines += [f"   {'* -' if k == 0 else '  -'} {cell}" for k, cell in enumerate(row)]
        holder = nodes.container()
        self.state.nested_parse(StringList(lines, f"tuning of {solver}"), 0, holder)
        return holder.children


def setup(app: Sphinx) -> dict[str, Any]:
    """Registers the directive."""
    app.add_directive("tuning-table", TuningTable)
    return {"version": "1", "parallel_read_safe": True}
