"""Folders of problems and plans: written whole or not at all, and never over what is another's."""

import dataclasses
import errno
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import numpy as np
import pytest

from disks import fill, small_disk, with_file_limit
from grid_oracles import greedy_plan
from gridcompute import InvalidProblemError, grid
from gridcompute.cli import app as cli
from gridcompute.grid.files import folders
from ledger_cases import plan as recorded


@pytest.fixture(scope="module")
def plan():
    return greedy_plan(grid.east_west(n_jobs=30, seed=1))


@pytest.fixture(scope="module")
def other(plan):
    """Another plan, so that an old one and a new one can be told apart."""
    return dataclasses.replace(plan, bound_yuan=plan.bound_yuan - 1.0, stats={"other": True})


def content(folder):
    """Every file below a folder, and what is in it."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def with_ledger(problem, *batches):
    """The problem with a ledger of some batches."""
    ledger = grid.Ledger()
    for batch in batches:
        ledger = ledger.record(recorded(*problem.sites.name.tolist()), batch=batch)
    return problem.replace(mandate=dataclasses.replace(problem.mandate, ledger=ledger))


def test_a_folder_without_quotas_limits_nobody(tmp_path):
    """If this fails, who has no tenants must write a table of them."""
    problem = grid.east_west(n_jobs=30, seed=0)
    for format in ("csv", "parquet"):
        folder = grid.write_problem(problem, tmp_path / format, format=format)
        (folder / f"quotas.{format}").unlink()
        with pytest.raises(InvalidProblemError, match="neither of quotas"):
            grid.read_problem(folder)  # it was there: it has been lost
        (folder / "written.json").unlink()
        found = grid.read_problem(folder)
        assert len(found.quotas) == problem.jobs.tenant.max() + 1 > 1
        assert np.isinf(found.quotas.upper_accelerator_h).all()
        assert not found.quotas.lower_accelerator_h.any()
        assert found.jobs.tenant.tolist() == problem.jobs.tenant.tolist()
        assert greedy_plan(found).verify().valid
        (folder / f"sites.{format}").unlink()
        with pytest.raises(InvalidProblemError, match="neither of sites"):
            grid.read_problem(folder)


# ---------------------------------------------------------------- what is another's stays


@pytest.mark.parametrize("name", ["problem", "./problem/.", "problem/../problem", "link", "."])
def test_match_does_not_write_over_its_input(plan, tmp_path, monkeypatch, name):
    """`match X --out X` replaced the user's tables by a plan's."""
    grid.write_problem(plan.problem, tmp_path / "problem", format="csv")
    (tmp_path / "link").symlink_to("problem")
    before = content(tmp_path)
    monkeypatch.chdir(tmp_path)
    assert cli.run(["match", "problem", "--out", name, "--quiet"]) == 2
    assert content(tmp_path) == before


def test_whatif_does_not_write_over_the_plan_it_reads(plan, tmp_path, capsys):
    """If this fails, a plan is replaced by what would be if."""
    grid.write_plan(plan, tmp_path / "plan")
    before = content(tmp_path)
    arguments = ["whatif", str(tmp_path / "plan"), "--share", "0.5", "--quiet"]
    assert cli.run([*arguments, "--out", str(tmp_path / "plan")]) == 2
    assert "--out is" in capsys.readouterr().err
    assert content(tmp_path) == before


def put_file(folder):
    (folder / "notes.txt").write_text("mine")
    return "notes.txt, which was not written"


def put_folder(folder):
    (folder / "tables").mkdir()
    return "tables/, which was not written"


def edit(folder):
    path = folder / "sites.csv"
    path.write_text(path.read_text().replace("Hami", "Hamy"))
    return "sites.csv, which has been changed"


def link(folder):
    (folder / "sites.csv").rename(folder.parent / "sites.csv")
    (folder / "sites.csv").symlink_to("../sites.csv")
    return "sites.csv, which was a file"


def lose_list(folder):
    (folder / folders.LIST).unlink()
    return "classes.csv, which was not written"


@pytest.mark.parametrize("change", [put_file, put_folder, edit, link, lose_list])
def test_a_folder_that_holds_anything_else_is_refused(plan, tmp_path, change):
    """A table edited for an hour, or a note beside it, was lost to the next `scenario --out`."""
    folder = grid.write_problem(plan.problem, tmp_path / "x", format="csv")
    words = change(folder)
    before = content(tmp_path)
    for write in (
        lambda: grid.write_problem(plan.problem, folder),
        lambda: grid.write_problem(plan.problem, folder, format="csv"),
        lambda: grid.write_plan(plan, folder),
    ):
        with pytest.raises(InvalidProblemError) as caught:
            write()
        assert caught.value.field == "folder"
    assert content(tmp_path) == before
    with pytest.raises(InvalidProblemError, match="x: found") as caught:
        grid.write_problem(plan.problem, folder)
    assert words in str(caught.value)
    assert "needed a folder that is new, empty, or holds only a problem" in str(caught.value)
    assert sorted(p.name for p in tmp_path.iterdir() if p.name.startswith(".")) == []


def test_a_plan_is_not_written_over_a_problem(plan, tmp_path):
    """If this fails, a typing error costs the tables, or the plan."""
    problem = grid.write_problem(plan.problem, tmp_path / "problem")
    made = grid.write_plan(plan, tmp_path / "plan")
    before = content(tmp_path)
    with pytest.raises(InvalidProblemError, match="found a problem, needed a folder"):
        grid.write_plan(plan, problem)
    with pytest.raises(InvalidProblemError, match="found a plan, needed a folder"):
        grid.write_problem(plan.problem, made)
    assert content(tmp_path) == before


def test_a_file_in_the_folders_place_is_refused(plan, tmp_path):
    """If this fails, a file is replaced by a folder."""
    (tmp_path / "x").write_text("mine")
    for write in (grid.write_problem, lambda *a: grid.write_plan(plan, a[1])):
        with pytest.raises(InvalidProblemError, match="found a file, needed a folder"):
            write(plan.problem, tmp_path / "x")
        with pytest.raises(InvalidProblemError, match="x is a file, needed a folder"):
            write(plan.problem, tmp_path / "x" / "y")
    assert content(tmp_path) == {"x": b"mine"}


def test_the_other_format_replaces_the_first(plan, tmp_path):
    """CSV beside Parquet in one folder, and neither could be read any more."""
    for form in ("csv", "parquet", "csv"):
        again = grid.read_problem(grid.write_problem(plan.problem, tmp_path / "x", format=form))
        assert len(again.jobs) == len(plan.problem.jobs)
    assert not list((tmp_path / "x").glob("*.parquet"))
    assert [p.name for p in tmp_path.iterdir()] == ["x"]


def test_an_empty_folder_and_a_link_are_targets(plan, tmp_path):
    """If this fails, a folder made beforehand, or a link to one, is refused or replaced."""
    real = tmp_path / "real"
    real.mkdir(mode=0o750)
    (tmp_path / "link").symlink_to("real")
    for _ in range(2):
        assert grid.write_plan(plan, tmp_path / "link") == tmp_path / "link"
        assert (tmp_path / "link").is_symlink()
        assert real.stat().st_mode & 0o777 == 0o750
        assert grid.read_plan(real).objective_yuan == plan.objective_yuan
    nested = grid.write_problem(plan.problem, tmp_path / "a" / "b" / "c")
    assert nested.stat().st_mode & 0o777 == (tmp_path / "a").stat().st_mode & 0o777
    with pytest.raises(InvalidProblemError, match="format"):
        grid.write_problem(plan.problem, tmp_path / "d" / "e", format="xml")
    assert not (tmp_path / "d").exists()


# ---------------------------------------------------------------- whole or not at all


def test_a_full_disk_leaves_the_old_plan(plan, other, tmp_path):
    """The old plan was overwritten file by file, and a full disk left neither."""
    size = sum(len(data) for data in content(grid.write_plan(plan, tmp_path / "size")).values())
    with small_disk(tmp_path / "disk", 3 * size // 1024 + 200) as disk:
        grid.write_plan(plan, disk / "out")
        before = content(disk / "out")
        for leave in (0, size // 8, size // 2, 7 * size // 8):
            fill(disk, leave)
            with pytest.raises(OSError, match="No space left"):
                grid.write_plan(other, disk / "out")
            with pytest.raises(OSError, match="No space left"):
                grid.write_plan(other, disk / "new" / "plan")
            assert content(disk / "out") == before
            assert sorted(p.name for p in disk.iterdir()) == ["ballast", "out"]
            (disk / "ballast").unlink()
        assert grid.read_plan(disk / "out").stats == plan.stats
        grid.write_plan(other, disk / "out")
        assert grid.read_plan(disk / "out").stats == {"other": True}


@pytest.mark.parametrize("fails", ["fsync", "savez_compressed", "write_table", "renameat2"])
def test_any_failure_leaves_the_old_plan(
    plan,
    other,
    tmp_path,
    monkeypatch,
    fails,
):
    """If this fails, there is a step after which neither plan can be read."""
    import pyarrow.parquet

    grid.write_plan(plan, tmp_path / "out")
    before = content(tmp_path)

    def failing(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    owner, name = {
        "fsync": (os, "fsync"),
        "savez_compressed": (np, "savez_compressed"),
        "write_table": (pyarrow.parquet, "write_table"),
        "renameat2": (folders, "_exchange_names"),
    }[fails]
    with monkeypatch.context() as patch:
        patch.setattr(owner, name, failing)
        for target in ("out", "new"):
            if (target, fails) != ("new", "renameat2"):
                with pytest.raises(OSError, match="No space left"):
                    grid.write_plan(other, tmp_path / target)
    assert content(tmp_path) == before
    assert [p.name for p in tmp_path.iterdir()] == ["out"]


def test_a_system_without_the_exchange_of_names(plan, other, tmp_path, monkeypatch):
    """Then the old folder steps aside, and comes back if the new one cannot take its place."""
    monkeypatch.setattr(folders, "_exchange_names", lambda *_: False)
    grid.write_plan(plan, tmp_path / "out")
    grid.write_plan(other, tmp_path / "out")
    assert grid.read_plan(tmp_path / "out").stats == {"other": True}
    before = content(tmp_path)
    rename = Path.rename

    def fails_once(self, target):
        if self.suffix == ".new":
            raise OSError(errno.EIO, "Input/output error")
        return rename(self, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", fails_once)
        with pytest.raises(OSError, match="Input/output"):
            grid.write_plan(plan, tmp_path / "out")
    assert content(tmp_path) == before


def test_kill_9_amid_a_write_leaves_the_old_folder(plan, tmp_path):
    """What the killed process left beside it is cleared away by a later write."""
    folder = grid.write_problem(plan.problem, tmp_path / "out")
    before = content(folder)
    code = """
        import os, signal, sys
        from gridcompute import grid
        from gridcompute.grid.files import folders
        folders._sync = lambda folder: os.kill(os.getpid(), signal.SIGKILL)
        grid.write_problem(grid.east_west(n_jobs=10), sys.argv[1])
    """
    command = [sys.executable, "-c", textwrap.dedent(code), str(folder)]
    assert subprocess.run(command, check=False).returncode == -signal.SIGKILL
    assert content(folder) == before
    (left,) = [p for p in tmp_path.iterdir() if p != folder]
    grid.write_problem(plan.problem, folder)
    assert left.exists(), "another process may be at work in it"
    os.utime(left, (time.time() - 3600,) * 2)
    grid.write_problem(plan.problem, folder)
    assert [p.name for p in tmp_path.iterdir()] == ["out"]


def test_a_page_on_a_full_disk_stays_as_it_was(plan, tmp_path):
    """If this fails, a report that could not be written again is cut short instead."""
    path = plan.report(tmp_path / "plan.html")
    before = path.read_bytes()
    code = """
        import sys
        from gridcompute import grid
        plan = grid.read_plan(sys.argv[1])
        try:
            plan.report(sys.argv[2])
        except OSError as error:
            print("refused:", error)
    """
    folder = grid.write_plan(plan, tmp_path / "plan")
    done = with_file_limit(textwrap.dedent(code), len(before) // 2, folder, path)
    assert done.stdout.startswith("refused:"), done
    assert path.read_bytes() == before
    assert sorted(p.name for p in tmp_path.iterdir()) == ["plan", "plan.html"]
    link = tmp_path / "link.html"
    link.symlink_to("plan.html")
    plan.report(link)
    assert link.is_symlink()


def test_a_mounted_folder_and_the_working_folder_are_written_in_place(
    plan, other, tmp_path, monkeypatch
):
    """A container's volume cannot be renamed, and a shell must not sit in a removed folder."""
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    inode = here.stat().st_ino
    for one in (plan, other):
        grid.write_plan(one, ".")
        assert grid.read_plan(here).stats == one.stats
        assert here.stat().st_ino == inode
    before = content(here)
    rename = Path.rename

    failed = []

    def fails_late(self, target):
        if target == here / "plan.npz" and not failed:
            failed.append(target)
            raise OSError(errno.EIO, "Input/output error")
        return rename(self, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", fails_late)
        with pytest.raises(OSError, match="Input/output"):
            grid.write_plan(plan, ".")
    assert content(here) == before
    monkeypatch.chdir(tmp_path)
    with small_disk(tmp_path / "volume", 8192) as volume:
        for one in (plan, other):
            grid.write_plan(one, volume)
            assert grid.read_plan(volume).stats == one.stats
        assert not [p for p in volume.iterdir() if p.name.startswith(".")]


def test_an_unwritable_folder_is_found_before_the_wait(
    plan,
    tmp_path,
    monkeypatch,
    capsys,
):
    """If this fails, an hour of planning ends in an error of writing."""

    def match(*_, **__):
        raise AssertionError("solved before the folder was looked at")

    monkeypatch.setattr("gridcompute.grid.planner.match.match", match)
    problem = grid.write_problem(plan.problem, tmp_path / "in")
    (tmp_path / "file").write_text("")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("")
    for out in ("file", "file/x", "mine"):
        assert cli.run(["match", str(problem), "--out", str(tmp_path / out), "--quiet"]) == 2
        assert cli.run(["demo", "--jobs", "10", "--out", str(tmp_path / out), "--quiet"]) == 2
    # A folder that can be written gets as far as the solver, whose failure here is no bad input.
    assert cli.run(["match", str(problem), "--out", str(tmp_path / "new" / "x"), "--quiet"]) == 3
    assert "solved before the folder" in capsys.readouterr().err
    assert not (tmp_path / "new").exists()


# ---------------------------------------------------------------- the ledger in the folder


def test_a_ledger_in_the_folder_is_continued_and_never_lost(plan, tmp_path):
    """`write_problem` removed the ledger that lay in its folder before it wrote its own."""
    monday = with_ledger(plan.problem, "monday")
    folder = grid.write_problem(monday, tmp_path / "x")
    path = folder / "ledger.jsonl"
    tuesday = with_ledger(plan.problem, "monday", "tuesday").mandate.ledger
    tuesday.write(path)
    kept = path.read_bytes()
    for problem, words in (
        (plan.problem, "and no ledger in the problem"),
        (monday, "and another of 1 entries in the problem"),
        (with_ledger(plan.problem, "monday", "sunday"), "and another of 2 entries"),
    ):
        with pytest.raises(InvalidProblemError, match="found a ledger of 2 entries") as caught:
            grid.write_problem(problem, folder)
        assert words in str(caught.value)
        assert caught.value.field == "ledger"
        assert path.read_bytes() == kept
    longer = with_ledger(plan.problem, "monday", "tuesday", "wednesday")
    for _ in range(2):
        grid.write_problem(longer, folder, format="csv")
        assert path.read_bytes().startswith(kept)
        assert grid.read_problem(folder).mandate == longer.mandate
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(InvalidProblemError, match="ledger repair"):
        grid.write_problem(longer, folder)
    assert path.read_bytes().startswith(kept)


def test_a_ledger_that_was_there_first_is_kept(plan, tmp_path):
    """Somebody keeps the ledger where the problem is to be written."""
    folder = tmp_path / "x"
    folder.mkdir()
    problem = with_ledger(plan.problem, "monday", "tuesday")
    grid.Ledger(entries=problem.mandate.ledger.entries[:1]).write(folder / "ledger.jsonl")
    before = content(folder)
    with pytest.raises(InvalidProblemError, match="found a ledger of 1 entries"):
        grid.write_problem(plan.problem, folder)
    assert content(folder) == before
    grid.write_problem(problem, folder)
    assert (folder / "ledger.jsonl").read_bytes().startswith(before["ledger.jsonl"])


def test_the_ledger_in_an_old_plan_is_continued_too(plan, tmp_path):
    """If this fails, `match --out` over yesterday's plan loses what was recorded in it."""
    one, two = (
        dataclasses.replace(plan, problem=with_ledger(plan.problem, *batches))
        for batches in (["monday"], ["monday", "tuesday"])
    )
    grid.write_plan(one, tmp_path / "out")
    path = tmp_path / "out" / "problem" / "ledger.jsonl"
    two.problem.mandate.ledger.write(path)
    for refused in (plan, one):
        with pytest.raises(InvalidProblemError, match="found a ledger of 2 entries"):
            grid.write_plan(refused, tmp_path / "out")
    grid.write_plan(two, tmp_path / "out")
    assert grid.read_plan(tmp_path / "out").problem.mandate == two.problem.mandate
