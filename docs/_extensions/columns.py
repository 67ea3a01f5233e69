"""Writes docs/reference/columns.md: the files of a problem, column by column, from the tables.

python docs/_extensions/columns.py writes the page; a test checks that it is what this writes.
"""

from __future__ import annotations

import dataclasses
import inspect
import re
import sys
from pathlib import Path
from typing import Any

import numpy as np

from gridcompute import grid
from gridcompute.grid.files.problem_json import PARTS
from gridcompute.grid.files.read_write import RUNNING, TABLES
from gridcompute.grid.files.tidy import KEYS
from gridcompute.grid.tables.column import BESIDE

PAGE = Path(__file__).resolve().parents[1] / "reference" / "columns.md"

HEAD = """# Files of a problem, column by column

Written by `python docs/_extensions/columns.py` from what the reader itself goes by; a test keeps
the two alike. A folder has `problem.json` and a file for each table, `.csv` or `.parquet`. A
column without a default must be there; all others may be left out. [Plan your own jobs and
sites](../how-to/own-tables.md) shows them at work, [from CSV files to a
plan](../tutorials/own-csv.md) a whole folder.

- *By* says what a value may differ by beside the rows of its file. In CSV `name[0]`, `name[1]`,
  ... are the values of a column by hour, source, family or destination (`name[0,5]` by two of
  them, in this order); `name` alone holds for all. A table with a column `hour` has a row for
  each hour instead.
- Sites, accelerators, families, regions, operators and tenants may be written by name or by
  number, from 0; a name goes before a number where names are digits. A residency is names of sites
  joined by `|`, or `*` for any.
- Steps: an hour, where `problem.json` has no `step_h`.
"""

#: What a column that stands beside those of a class is, by table.
MORE = {
    "id": "What the job is called: integers or texts, each once. Results and errors carry it.",
    "name": "What the tenant is called; `tenant` in the jobs' file and `parent` may then say it.",
}

#: What each key of problem.json is that is no part of it.
KEYS_OF_JSON = {
    "name": "What the problem is called in reports.",
    "hours": "Hours (steps) of the batch; the one key that must be there.",
    "step_h": "Hours in a step, 1 by default; 0.25 = 15 minutes.",
    "start": 'When hour 0 begins, such as `"2026-03-01T00:00+08:00"`; files may then have times.',
    "sources": "Pairs of a figure and where it comes from.",
}
#: What they are, of parts whose class does not say it.
OF_JSON = {
    ("mandate", "new"): "One true or false a site, in place of the column `new` of the sites.",
    ("direct_rule", "sites"): "One true or false a site, in place of the column `new`.",
    ("ledger", "path"): "The ledger's file, in the folder.",
    ("ledger", "window"): "Batches that count together, this one included.",
    ("ledger", "cap_yuan_per_kwh"): "The most that a kWh missing costs.",
}


def described(kind: type) -> dict[str, str]:
    """What each parameter of a class is, from its docstring, as one line."""
    text = inspect.cleandoc(kind.__doc__ or "").partition("Parameters\n----------\n")[2]
    text = re.split(r"^[A-Z][A-Za-z ]+\n-{3,}$", text, maxsplit=1, flags=re.MULTILINE)[0]
    out: dict[str, str] = {}
    for head, body in re.findall(r"^(\w[^\n]*)((?:\n(?:    [^\n]*)?)*)", text, flags=re.MULTILINE):
        names, _, _ = head.partition(" : ")
        words = " ".join(body.split())
        for name in names.split(", "):
            out[name.strip()] = words
    return out


def cell(text: str) -> str:
    """A text in a cell of a table."""
    return text.replace("|", "\\|").replace("``", "`")


def default(value: Any) -> str:
    """A default as a reader of CSV writes it."""
    if value is dataclasses.MISSING:
        return "**needed**"
    if value is None or isinstance(value, tuple):
        return "none"
    if isinstance(value, (bool, np.bool_)):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, (int, float)) else f"`{value}`"


def table_of(title: str, kind: Any) -> list[str]:
    """The columns of a file."""
    words = described(kind)
    defaults = {f.name: f.default for f in dataclasses.fields(kind)}
    lines = ["| column | what it is | values | default | by |", "| --- | --- | --- | --- | --- |"]
    for name in BESIDE.get(title, ()):
        values = "text, or integers" if name == "id" else "text"
        lines.append(f"| `{name}` | {cell(MORE[name])} | {values} | none |  |")
    for name, spec in kind.columns().items():
        by = ", ".join(d for d in spec.dims if d != kind.rows)
        values = "true or false" if spec.dtype is np.bool_ else spec.needs()
        values = "text" if spec.dtype is np.str_ else values
        cells = [f"`{name}`", cell(words.get(name, "")), values, default(defaults[name]), by]
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def settings() -> list[str]:
    """The keys of problem.json."""
    kinds: dict[str, Any] = {**TABLES, "mandate": grid.Mandate, "direct_rule": grid.DirectRule}
    lines = ["Nothing is asked where `mandate` or `direct_rule` is left out.\n"]
    lines += ["| key | what it is |", "| --- | --- |"]
    lines += [f"| `{key}` | {words} |" for key, words in KEYS_OF_JSON.items()]
    for part, keys in PARTS.items():
        words = described(kinds[part]) if part in kinds else {}
        for key in keys:
            said = OF_JSON.get((part, key)) or words.get(key, "")
            lines.append(f"| `{part}`: `{key}` | {cell(said)} |")
    return lines


def page() -> str:
    """The whole page."""
    out = [HEAD, "## problem.json\n", *settings()]
    for title, kind in {**TABLES, RUNNING: grid.Running}.items():
        out += [f"\n## {title}.csv\n"]
        if title == "quotas":
            out += ["May be left out: then no tenant is limited.\n"]
        if title == RUNNING:
            out += ["Only where jobs run when the batch begins.\n"]
        if title in KEYS:
            keys = " and ".join(f"`{key}`" for key in KEYS[title])
            out += [f"A table with a column `hour` has {keys} to say which rows belong together.\n"]
        out += table_of(title, kind)
    return "\n".join(out) + "\n"


if __name__ == "__main__":
    sys.exit(0 if PAGE.write_text(page(), encoding="utf-8") else 1)
