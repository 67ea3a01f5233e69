"""The pages on the solvers: short, and their budgets are those of the tuned numbers."""

import re
from pathlib import Path

import pytest

from gridcompute import _core

DOCS = Path(__file__).parents[2] / "docs"
PAGES = ["transport", "generalized-assignment", "assignment-methods", "assignment-costs"]
PAGES += ["flow-methods", "flow-warm-starts", "certificates"]

# Page, the words there, and the tuned number they state.
STATED = [
    ("transport", "| {:.0f} rounds |", "transport", "sample_rounds"),
    ("assignment-methods", "{:,.0f} to 65,536 entries", "assignment", "inline_entries"),
    ("assignment-methods", "at most {:,.0f} entries", "assignment", "small_entries"),
    ("assignment-methods", "one row in {:.0f} free", "assignment", "in_place_free_mutual"),
    ("assignment-methods", "{:.0f} passes (12)", "assignment", "in_place_passes"),
    ("assignment-methods", "60 passes ({:.0f})", "assignment", "in_place_passes_large"),
    ("assignment-methods", "less than {:.0f} units", "assignment", "tie_spread"),
    ("assignment-methods", "{:.0f} bids, 0.75 rereads", "assignment", "trial_bids"),
    ("assignment-methods", "40 bids, {} rereads", "assignment", "trial_rereads"),
    ("assignment-methods", "{:.0f} passes (8)", "assignment", "restart_passes"),
    ("assignment-methods", "45 passes ({:.0f})", "assignment", "restart_passes_large"),
    ("assignment-methods", "{:.0f} bids, 0.25 rereads", "assignment", "auction_bids"),
    ("assignment-methods", "64 bids, {} rereads", "assignment", "auction_rereads"),
    ("flow-methods", "{:,.0f} work units per arc and node", "flow", "work_per_size"),
    ("flow-methods", "for a maximum flow {:,.0f}", "flow", "max_flow_work_per_size"),
    ("flow-methods", "{:,.0f} at least; none", "flow", "max_flow_min_work"),
    ("flow-methods", "every {:.0f} pivots", "flow", "pivots_per_pace"),
    ("flow-methods", "${:.0f}\\sqrt{{m}}$ arcs", "flow", "block_factor"),
    ("flow-methods", "{:.0f} times the work of the trial", "flow", "scaled_start_work"),
    ("flow-warm-starts", "{:.0f} times the largest cost", "flow", "rebuild_big_cost"),
    ("flow-warm-starts", "one arc in {:.0f}", "flow", "rebuild_arc_share"),
]


@pytest.mark.parametrize("name", PAGES)
def test_a_page_takes_some_minutes_to_read(name):
    """If this fails, a page grows into a log: measurements go to development/experiments.md."""
    text = (DOCS / "explanation" / f"{name}.md").read_text(encoding="utf-8")
    words = len(text.split())
    assert words <= 1000, f"{name}.md: {words} words"
    assert ".. plot::" in text or "```{run}" in text, f"{name}.md has no figure"


# Code aside: a block, or what the build runs.
FENCED = re.compile(r"^(`{3,}).*?^\1`*$", flags=re.MULTILINE | re.DOTALL)
EXPLANATIONS = sorted(p.stem for p in (DOCS / "explanation").glob("*.md"))


@pytest.mark.parametrize("name", EXPLANATIONS)
def test_an_explanation_is_short(name):
    """If this fails, an explanation is too long to be read at once: split it, or move figures."""
    text = FENCED.sub("", (DOCS / "explanation" / f"{name}.md").read_text(encoding="utf-8"))
    words = sum(any(letter.isalnum() for letter in word) for word in text.split())
    assert words < 900, f"{name}.md: {words} words, needed fewer than 900"


@pytest.mark.parametrize("name", [name for name in EXPLANATIONS if name != "index"])
def test_an_explanation_has_a_figure(name):
    """If this fails, a reader has words alone."""
    text = (DOCS / "explanation" / f"{name}.md").read_text(encoding="utf-8")
    assert any(mark in text for mark in (".. plot::", ":alt:", "![")), f"{name}.md has no figure"
    for script in re.findall(r"^\.\. plot:: (\S+)$", text, flags=re.MULTILINE):
        assert (DOCS / "figures" / script).is_file(), f"{name}.md: docs/figures/{script}"


@pytest.mark.parametrize(("page", "words", "solver", "number"), STATED)
def test_budgets_on_a_page_are_the_defaults(page, words, solver, number):
    """If this fails, a number was tuned and the page still states the earlier one."""
    table = {e["name"]: e["default"] for e in _core.tuning_table(solver)}
    stated = words.format(table[number])
    text = " ".join((DOCS / "explanation" / f"{page}.md").read_text(encoding="utf-8").split())
    assert stated in text, f"{page}.md does not say '{stated}' ({solver}.{number})"
