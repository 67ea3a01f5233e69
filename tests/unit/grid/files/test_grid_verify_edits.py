"""A stored plan under a text editor: whatever is changed in its folder is found."""

import dataclasses
import hashlib
import json
import pickle
import re
import shutil

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest

import gridcompute as gc
from effort import examples
from gridcompute import grid
from gridcompute.cli import app as cli
from gridcompute.report import page as report
from malformed import small

#: Files that people read, and the number that begins a plan's.
TEXTS = ("plan.json", "green.csv", "audit.md", "plan.html")
NUMBER = re.compile(r"\d+(\.\d+)?")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The folder of a plan, which every test leaves as it was."""
    plan = gc.match(small(), threads=1)
    assert plan.verify().proved_by == "search", plan
    assert plan.pieces is not None
    return grid.write_plan(plan, tmp_path_factory.mktemp("stored") / "plan")


@pytest.fixture(scope="module", autouse=True)
def once():
    """Check and draw a plan once: of most changes the plan is the same, and both take a while."""

    def remembered(function):
        found = {}

        def call(*arguments):
            key = pickle.dumps(arguments)
            if key not in found:
                found[key] = function(*arguments)
            return found[key]

        return call

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(grid.Plan, "verify", remembered(grid.Plan.verify))
        patch.setattr(report, "page", remembered(report.page))
        yield


def listed_again(folder):
    """Write the digests of all files anew, as whoever forges a plan would."""
    content = json.loads((folder / "written.json").read_text())
    for name in content["files"]:
        digest = hashlib.sha256((folder / name).read_bytes()).hexdigest()
        content["files"][name] = digest
    (folder / "written.json").write_text(json.dumps(content, indent=1) + "\n")


def told(folder):
    """The exit status of `verify` on a folder, and what it says."""
    try:
        found = grid.verify_plan(folder)
    except gc.InvalidProblemError as error:
        return 2, str(error)
    return (0 if found.valid else 1), str(found)


def files(folder):
    return [path for path in sorted(folder.rglob("*")) if path.is_file()]


def test_one_changed_byte_of_any_file_is_found(folder):
    """One byte of `version` switched the comparison of page and audit off.

    A file that cannot be read is bad input; a byte between the words of the list means nothing.
    """
    rng = np.random.default_rng(0)
    for path in files(folder):
        before, name = path.read_bytes(), path.name
        for at in rng.integers(0, len(before), examples(2, 300)).tolist():
            after = bytearray(before)
            after[at] ^= int(rng.integers(1, 256))
            path.write_bytes(after)
            status, words = told(folder)
            shown = f"{name}, byte {at}: {before[at]:#x} -> {after[at]:#x}: {words}"
            if status == 0:
                assert name == "written.json", shown
                assert json.loads(after) == json.loads(before), shown
            else:
                assert name in words, shown
        path.write_bytes(before)
    assert told(folder)[0] == 0, told(folder)


def test_a_number_of_a_text_is_found_though_the_list_is_written_again(folder):
    """If this fails, a page or an account says what no plan has."""
    rng = np.random.default_rng(1)
    listed = (folder / "written.json").read_bytes()
    for name in TEXTS:
        path = folder / name
        before = path.read_text()
        end = before.find('"stats"') if name == "plan.json" else len(before)
        found = [m.start() for m in NUMBER.finditer(before, 0, end)]
        for at in rng.choice(found, min(examples(3, 2000), len(found)), replace=False).tolist():
            digit = "3" if before[at] != "3" else "4"
            path.write_text(before[:at] + digit + before[at + 1 :])
            listed_again(folder)
            status, words = told(folder)
            shown = f"{name}: {before[max(0, at - 40) : at + 9]!r}, {digit}: {words}"
            assert status == 1, shown
            assert name in words or name == "plan.json", shown
        path.write_text(before)
    (folder / "written.json").write_bytes(listed)
    assert told(folder)[0] == 0, told(folder)


def test_a_cell_of_a_table_is_found_though_the_list_is_written_again(folder):
    """If this fails, a tenant is charged what no plan charges."""
    rng = np.random.default_rng(2)
    listed = (folder / "written.json").read_bytes()
    for name in ("jobs.parquet", "runs.parquet"):
        path = folder / name
        before, table = path.read_bytes(), pyarrow.parquet.read_table(path)
        for column in rng.permutation(table.column_names)[: examples(4, 100)].tolist():
            values = table[column].to_pylist()
            row = int(rng.choice([i for i, x in enumerate(values) if x is not None]))
            was = values[row]
            values[row] = was + "x" if isinstance(was, str) else type(was)(was * 1.001 + 1)
            at, kind = table.column_names.index(column), table.schema.field(column).type
            other = table.set_column(at, column, pa.array(values, kind))
            pyarrow.parquet.write_table(other, path, write_page_checksum=True)
            listed_again(folder)
            status, words = told(folder)
            assert (status, f"{name}, {column}[{row}]" in words) == (1, True), f"{was}: {words}"
        path.write_bytes(before)
    (folder / "written.json").write_bytes(listed)
    assert told(folder)[0] == 0, told(folder)


def test_what_another_version_wrote_is_compared_or_said_not_to_be(folder, tmp_path, capsys):
    """Plans of another version were valid with any page, which a byte of `version` made of all."""
    plan = json.loads((folder / "plan.json").read_text())

    def version(name, page):
        other = shutil.copytree(folder, tmp_path / name)
        (other / "plan.json").write_text(json.dumps(plan | {"version": "0.0.1"}, indent=2))
        (other / "plan.html").write_text(page)
        listed_again(other)
        return other

    page = (folder / "plan.html").read_text()
    same = version("same", page.replace(f"gridcompute {plan['version']}", "gridcompute 0.0.1"))
    assert grid.verify_plan(same).outcome == "valid"
    for name, text in {"another foot": page, "forged": page.replace("yuan", "fen", 1)}.items():
        other = version(name, text)
        found = grid.verify_plan(other)
        assert (found.outcome, found.valid, found.faults) == ("not checked", False, ()), name
        assert cli.run(["verify", str(other)]) == 1
        out = capsys.readouterr().out
        assert out.startswith("not checked:\n"), out
        assert "plan.html, line" in out, out
        assert "gridcompute 0.0.1 wrote it" in out, out
        assert cli.run(["verify", str(other), "--json"]) == 1
        facts = json.loads(capsys.readouterr().out)
        assert (facts["outcome"], facts["valid"]) == ("not checked", False), facts
        assert len(facts["unchecked"]) == 1, facts
    # What every version writes alike is compared all the same.
    (other / "green.csv").write_text((other / "green.csv").read_text().replace("North", "Nord"))
    listed_again(other)
    assert grid.verify_plan(other).outcome == "not valid"


def test_a_battery_that_is_not_there_saves_nothing(folder):
    """Any price of one passed, and the page lists it among what holds the plan back."""
    plan = grid.read_plan(folder)
    assert (plan.prices.storage[1] == 0).all(), plan.prices.storage
    for k in range(2):
        storage = plan.prices.storage.copy()
        storage[1, k] = 99.0
        forged = dataclasses.replace(plan, prices=plan.prices.replace(storage=storage))
        assert [fault.token for fault in forged.verify().faults] == ["PriceMismatch"], k


def test_seconds_of_a_stored_plan_are_not_shown(folder, tmp_path, capsys):
    """Nobody can check them, and what was no table of seconds ended `report` in a traceback."""
    other = shutil.copytree(folder, tmp_path / "plan")
    plan = json.loads((other / "plan.json").read_text())
    (other / "plan.json").write_text(json.dumps(plan | {"stats": {"seconds": 0.125}}))
    assert cli.run(["report", str(other), "--out", str(tmp_path / "page.html")]) == 0
    assert "seconds:" not in capsys.readouterr().out
