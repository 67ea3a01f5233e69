"""Every python block of README.md and of the pages under docs/ runs as written."""

import doctest
import importlib.util
import json
import re
import textwrap
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SKIPPED = {"_build", "generated"}
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
BLOCK = re.compile(r"^([ \t]*)```python\n(.*?)^\1```", flags=re.MULTILINE | re.DOTALL)


def blocks(page):
    """The python blocks of a page, each with the line it starts on."""
    text = page.read_text(encoding="utf-8")
    return [
        (text.count("\n", 0, found.start()) + 2, textwrap.dedent(found[2]))
        for found in BLOCK.finditer(text)
    ]


WITH_CODE = [p for p in PAGES if not SKIPPED & set(p.parts) and blocks(p)]


@pytest.mark.parametrize("page", WITH_CODE, ids=lambda p: str(p.relative_to(ROOT)))
def test_blocks_run(page, tmp_path, monkeypatch):
    """If this fails, a reader who types in this page, top to bottom, gets an error."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MPLBACKEND", "Agg")
    namespace = {"__name__": "__main__"}
    for line, code in blocks(page):
        # Empty lines in front give a traceback the page's own line numbers.
        exec(compile("\n" * (line - 1) + code, str(page), "exec"), namespace)


SESSION = re.compile(r"^```pycon\n(.*?)^```", flags=re.MULTILINE | re.DOTALL)
WITH_SESSIONS = [
    p for p in PAGES if not SKIPPED & set(p.parts) and SESSION.search(p.read_text(encoding="utf-8"))
]


@pytest.mark.parametrize("page", WITH_SESSIONS, ids=lambda p: str(p.relative_to(ROOT)))
def test_sessions_give_the_outputs_that_are_shown(page):
    """If this fails, a reader of the page sees outputs that the library does not give."""
    text = page.read_text(encoding="utf-8")
    lines = [""] * (text.count("\n") + 1)
    for found in SESSION.finditer(text):
        first = text.count("\n", 0, found.start()) + 1
        for k, line in enumerate(found[1].splitlines()):
            lines[first + k] = line
    test = doctest.DocTestParser().get_doctest("\n".join(lines), {}, page.name, str(page), 0)
    report = []
    results = doctest.DocTestRunner().run(test, out=report.append)
    assert results.attempted
    assert not results.failed, "".join(report)


NOTEBOOKS = sorted((ROOT / "docs" / "gallery").glob("*.ipynb"))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_notebooks_keep_no_outputs(path):
    """If this fails, a page shows what some machine once printed, and every diff is noise."""
    notebook = json.loads(path.read_text(encoding="utf-8"))
    assert notebook["nbformat"] == 4
    assert notebook["metadata"]["kernelspec"]["name"] == "python3"
    first, *cells = notebook["cells"]
    assert first["source"][0].startswith("# ")
    code = [cell for cell in cells if cell["cell_type"] == "code"]
    assert code
    assert all(not cell["outputs"] and cell["execution_count"] is None for cell in code)


def test_the_list_of_columns_is_the_readers_own():
    """If this fails, run docs/_extensions/columns.py: the page says other than what is read."""
    spec = importlib.util.spec_from_file_location("columns", ROOT / "docs/_extensions/columns.py")
    assert spec is not None
    assert spec.loader is not None
    written = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(written)
    assert written.PAGE.read_text(encoding="utf-8") == written.page()
    rows = [row.split(" | ") for row in written.page().splitlines() if row.startswith("| `")]
    assert len(rows) > 100
    assert [row[0] for row in rows if not row[1].strip(" |")] == []  # each says what it is


def test_pages_are_found():
    """If this fails, the test above runs nothing and cannot fail."""
    assert ROOT / "README.md" in WITH_CODE
    assert len(WITH_CODE) > 1
    assert len(NOTEBOOKS) == 6


FIGURE = re.compile(
    r"^(```\{(?:image|figure|run)\}|\.\. (?:plot|image|figure)::).*\n((?:.*\n){0,3})", re.M
)
DRAWS = re.compile(r"plot\.\w+\(|\.plot\(|plt\.(?:show|plot)")


def test_figures_have_alternative_texts():
    """If this fails, one who hears the page does not learn what the figure shows."""
    missing = []
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        if SKIPPED & set(page.parts):
            continue
        missing += [(page.name, m[0]) for m in re.finditer(r"!\[\s*\]\(.*?\)", text)]
        for m in FIGURE.finditer(text):
            shows = "run" not in m[1]
            if shows and not re.search(r":alt: *\S", m[2]):
                missing.append((page.name, m[1]))
    for path in NOTEBOOKS:
        for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
            if cell["cell_type"] == "code" and DRAWS.search("".join(cell["source"])):
                image = cell["metadata"].get("mystnb", {}).get("image", {})
                if not image.get("alt"):
                    missing.append((path.name, cell["source"][-1]))
    assert missing == []
