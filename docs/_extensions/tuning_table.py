"""The directive `tuning-table`: a solver's tuned numbers, read from its C++ header.

Each header keeps its numbers in one macro, a line of which is
``X(type, name, default, low, high, unit, decides, measured)``. The directive writes these lines as
a table, so that the page cannot differ from the code.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from docutils import nodes
from docutils.parsers.rst import Directive
from docutils.statemachine import StringList

if TYPE_CHECKING:
    from sphinx.application import Sphinx

CORE = Path(__file__).resolve().parents[2] / "csrc" / "gridcompute"
CONSTANT = re.compile(r'constexpr const char\* (\w+) = ((?:\s*"[^"]*")+);')
TABLE = re.compile(r"#define GRIDCOMPUTE_\w+_TUNING\(X\)((?:[^\n]*\\\n)*[^\n]*)\n")
STRING = re.compile(r'"((?:[^"\\]|\\.)*)"')
COLUMNS = ("name", "default", "range", "unit", "decides", "measured")


def arguments(text: str) -> list[str]:
    """The arguments of a call whose text, from behind its parenthesis, is given."""
    found, part, depth, quoted = [], "", 0, False
    for c in text:
        quoted ^= c == '"'
        if not quoted and c == ")" and depth == 0:
            return [*found, part.strip()]
        depth += 0 if quoted else (c in "([{") - (c in ")]}")
        if c == "," and depth == 0 and not quoted:
            found.append(part.strip())
            part = ""
        else:
            part += c
    raise ValueError(f"no end of the call: {text[:80]}")


def entries(header: Path) -> list[dict[str, str]]:
    """One dict a line of the table; raises ValueError where the header has none."""
    text = header.read_text(encoding="utf-8")
    words = {name: "".join(STRING.findall(value)) for name, value in CONSTANT.findall(text)}
    table = TABLE.search(text)
    if table is None:
        raise ValueError(f"{header}: found no table of tuned numbers")
    body = re.sub(r"/\*.*?\*/", "", table[1].replace("\\\n", "\n"), flags=re.DOTALL)
    out = []
    for call in re.finditer(r"\bX\(", body):
        _, name, default, low, high, unit, decides, measured = arguments(body[call.end() :])
        prose = ["".join(STRING.findall(p)) or words.get(p, p) for p in (unit, decides, measured)]
        numbers = [re.sub(r"(?<=\d)'(?=\d)", "", n) for n in (default, low, high)]
        values = (f"`{name}`", numbers[0], f"{numbers[1]} to {numbers[2]}", *prose)
        out.append(dict(zip(COLUMNS, values, strict=True)))
    return out


class TuningTable(Directive):
    """Writes the table of the header that its argument names, a path below csrc/gridcompute."""

    required_arguments = 1
    has_content = False

    def run(self) -> list[nodes.Node]:
        header = CORE / self.arguments[0]
        self.state.document.settings.env.note_dependency(str(header))
        lines = [".. list-table::", "   :header-rows: 1", "   :class: tuning", ""]
        for row in [dict(zip(COLUMNS, COLUMNS, strict=True)), *entries(header)]:
            for k, column in enumerate(COLUMNS):
                value = row[column].replace("*", "\\*")
                lines.append(f"   {'* -' if k == 0 else '  -'} {value}")
        holder = nodes.container()
        self.state.nested_parse(StringList(lines, str(header)), 0, holder)
        return holder.children


def setup(app: Sphinx) -> dict[str, Any]:
    """Registers the directive."""
    app.add_directive("tuning-table", TuningTable)
    return {"version": "1", "parallel_read_safe": True}
