"""Names from a user's tables in what people read: text, whatever they hold."""

import dataclasses
import html.parser
import re

import numpy as np
import pytest
from rich.console import Console

from grid_oracles import greedy_plan
from gridcompute import grid
from gridcompute.report.page import page
from gridcompute.report.printable import printable
from gridcompute.report.terminal import show

HOSTILE = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    'a" onload="x',
    "a' onload='x",
    "a|b|c",
    "line\n| forged | 1 | 2 |",
    "line\r\nALARM: none",
    "[click](javascript:alert(1))",
    "![x](https://evil.example/x.png)",
    "https://evil.example www.evil.example",
    "`code` *bold* __b__ ~~s~~ $x$",
    "[/] [red]x[/red] \x1b[2J\x1b]0;t\x07 &lt; \u2028 \\",
]


@pytest.fixture(scope="module")
def plan():
    """A plan whose every name is hostile, with shortfalls, so that alarms name sites as well."""
    problem = grid.east_west(n_jobs=60, seed=1)
    kinds = len(problem.classes.accelerator_names)
    problem = problem.replace(
        sites=problem.sites.replace(name=np.array(HOSTILE), new=True),
        classes=dataclasses.replace(
            problem.classes,
            accelerator_names=tuple(HOSTILE[:kinds]),
            family_names=tuple(HOSTILE[-len(problem.classes.family_names) :]),
        ),
        energy=dataclasses.replace(
            problem.energy, source_names=tuple(HOSTILE[: len(problem.energy.source_names)])
        ),
        mandate=grid.Mandate(share=1.0),
        name=HOSTILE[0],
    )
    return greedy_plan(problem)


class Tags(html.parser.HTMLParser):
    """The elements of a page, their attributes, and its text."""

    def __init__(self):
        super().__init__()
        self.tags = set()
        self.attributes = set()
        self.text = ""

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}

    def handle_data(self, data):
        self.text += data


def test_a_name_is_no_markup_of_the_page(plan):
    """If this fails, a site's name runs a script in the browser of whoever opens the plan."""
    tame = greedy_plan(grid.east_west(n_jobs=60, seed=1))
    found, usual = Tags(), Tags()
    found.feed(page(plan))
    usual.feed(page(tame))
    assert found.tags <= usual.tags | {"ul", "li"}
    assert "script" not in found.tags
    assert not any(name.startswith("on") for name in found.attributes)
    assert found.attributes <= usual.attributes | {"class"}
    assert HOSTILE[0] in found.text


def test_a_name_is_no_markup_of_the_audit(plan):
    """A pipe in a name moved the columns of audit.md, and a line feed forged a row."""
    text = str(grid.audit(plan))
    assert "<" not in text
    assert not re.search(r"(?<!\\)[`*_\[\]](?!\*?(new|all) sites)", text.replace("**", ""))
    assert not re.search(r"https?://|www\.", text)
    head, *_ = (line for line in text.splitlines() if line.startswith("| site"))
    sites = [line for line in text.splitlines() if re.match(r"\| .*\(new\)", line)]
    assert len(sites) == len(HOSTILE)
    assert {len(re.findall(r"(?<!\\)\|", line)) for line in sites} == {head.count("|")}
    tables = [block for block in text.split("\n\n") if block.startswith("|")]
    assert len(tables) >= 4  # sites, rules, cost, queues
    for table in tables:
        cells = {len(re.findall(r"(?<!\\)\|", line)) for line in table.splitlines()}
        assert len(cells) == 1, table
    lines = text.splitlines()
    assert sum(line.startswith("ALARM: ") for line in lines) == len(grid.audit(plan).alarms) > 0
    assert not any(line.startswith(("| forged", "ALARM: none")) for line in lines)
    assert {c for c in text if not c.isprintable()} == {"\n"}
    assert r"a\|b\|c" in text


def test_an_innocent_name_stays_as_it_is():
    """If this fails, every report is full of backslashes."""
    from gridcompute.grid.plan.audit import _markdown

    for name in ("Hami", "Inner Mongolia-2", "Ürümqi (north)", "C. Valley, 3.1"):
        assert _markdown(name) == name


def test_a_name_is_no_markup_of_the_terminal(plan):
    """`[/]` in a site's name ended the command in a traceback of rich."""
    console = Console(record=True, width=200, force_terminal=True)
    with console.capture() as shown:
        show(plan, console)
    text = shown.get()
    assert "\x1b[2J" not in text
    assert "\x1b]0;" not in text
    assert "[red]x[/red]" in text.replace("\n", "")
    assert "\\x1b[2J" in text


def test_printable_leaves_what_can_be_printed():
    """If this fails, names in other scripts are shown as escapes."""
    assert printable("Ürümqi 乌鲁木齐 😀") == "Ürümqi 乌鲁木齐 😀"
    assert printable("a\x1b[0m\u2028b\n") == "a\\x1b[0m\\u2028b\\n"
    assert printable("a\nb", keep="\n") == "a\nb"


def test_hostile_names_survive_files(plan, tmp_path):
    """If this fails, a name changes on its way through CSV, Parquet or JSON, or breaks a row."""
    for form in ("csv", "parquet"):
        again = grid.read_problem(grid.write_problem(plan.problem, tmp_path / form, format=form))
        assert again.sites.name.tolist() == HOSTILE
        assert again.classes.accelerator_names == plan.problem.classes.accelerator_names
        assert again.name == plan.problem.name
    grid.write_plan(plan, tmp_path / "plan")
    assert grid.read_plan(tmp_path / "plan").verify().valid == plan.verify().valid
