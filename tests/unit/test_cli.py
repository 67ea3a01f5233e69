"""The command line: exit statuses, one-line complaints, and the packaged demonstration."""

import subprocess
import sys

import numpy as np
import pytest

import gridcompute
from gridcompute import CostRangeError, InfeasibleError, InvalidProblemError, cli
from gridcompute.report import demo


@pytest.fixture
def command(capsys):
    """Runs a command line; status, standard output and standard error."""

    def run(*arguments):
        status = cli.run(list(arguments))
        streams = capsys.readouterr()
        return status, streams.out, streams.err

    return run


def test_version(command):
    assert command("--version") == (0, f"gridcompute {gridcompute.__version__}\n", "")


def test_help_names_the_commands(command):
    status, out, _ = command("--help")
    assert status == 0
    assert "demo" in out
    status, out, _ = command("demo", "--help")
    assert status == 0
    assert all(option in out for option in ("--jobs", "--out", "--seed", "--threads"))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--nonsense"], "--nonsense"),
        (["nonsense"], "nonsense"),
        (["demo", "--jobs", "many"], "--jobs"),
        (["demo", "--jobs", "0"], "--jobs"),
        (["demo", "--threads", "-1"], "--threads"),
        (["demo", "--jobs"], "--jobs"),
    ],
)
def test_a_bad_command_line_costs_one_line_and_status_2(command, arguments, words):
    status, out, err = command(*arguments)
    assert (status, out) == (2, "")
    assert err.startswith("gridcompute: ")
    assert err.count("\n") == 1
    assert words in err


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (InvalidProblemError("jobs.csv, row 3:\nfound x, needed an int"), 2),
        (CostRangeError("costs reach 1e300"), 2),
        (FileNotFoundError(2, "No such file or directory", "jobs.csv"), 2),
        (InfeasibleError("3 jobs fit only in 2 slots"), 1),
    ],
)
def test_errors_become_statuses(command, monkeypatch, error, status):
    def fails(*_, **__):
        raise error

    monkeypatch.setattr(demo, "run", fails)
    found, _, err = command("demo")
    assert found == status
    assert err.startswith("gridcompute: ")
    assert err.count("\n") == 1


def test_an_interrupt_has_the_shells_status(command, monkeypatch):
    def fails(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(demo, "run", fails)
    assert command("demo")[0] == 130


def test_an_internal_error_is_shown_whole(monkeypatch):
    """A bug of ours must not pass for bad input."""

    def fails(*_, **__):
        raise gridcompute.InternalError("certificate refused")

    monkeypatch.setattr(demo, "run", fails)
    with pytest.raises(gridcompute.InternalError):
        cli.run(["demo"])


def test_an_unwritable_folder_is_bad_input(command, tmp_path):
    (tmp_path / "file").write_text("")
    status, _, err = command("demo", "--jobs", "10", "--out", str(tmp_path / "file"))
    assert status == 2
    assert "file" in err


def test_demo_prints_its_tables_and_writes_its_picture(command, tmp_path):
    status, out, _ = command("demo", "--jobs", "3000", "--out", str(tmp_path / "new" / "folder"))
    assert status == 0
    for words in ("optimal", "jobs placed", "jobs unplaced", "gap", "seconds: ", "Scarcest"):
        assert words in out
    picture = tmp_path / "new" / "folder" / "load_and_price.png"
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_help_is_quick_for_it_imports_nothing_heavy():
    code = (
        "import sys; from gridcompute import cli; cli.run(['--help'])\n"
        "print([m for m in ('numba', 'scipy', 'matplotlib', 'pyarrow') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


class TestScenario:
    def test_pure_in_its_seed(self):
        first, same, other = (demo.scenario(500, seed) for seed in (1, 1, 2))
        assert np.array_equal(first.terms.dense(), same.terms.dense())
        assert np.array_equal(first.capacity, same.capacity)
        assert not np.array_equal(first.unplaced, other.unplaced)

    def test_shape_and_order_of_the_slot_classes(self):
        day = demo.scenario(5000)
        assert day.terms.shape == (5000, 1440)
        assert day.capacity.sum() == round(5000 * demo.PLENTY)
        assert (day.capacity >= 0).all()
        assert demo.name(0) == ("Zhangjiakou", "910B", "00:00")
        assert demo.name(1439) == ("Karamay", "K100_AI", "23:00")

    def test_every_job_could_run_somewhere_for_less_than_it_loses(self):
        """Otherwise the picture would show a shortage that no slot could cure."""
        day = demo.scenario(2000)
        assert (day.terms.dense().min(axis=1) < day.unplaced).all()

    def test_rules(self):
        """Memory, release, deadline and latency forbid; energy differs by the hour."""
        day = demo.scenario(300, seed=3)
        dense = day.terms.dense().reshape(300, 12, 5, 24)
        (_, family, _), _, (_, when, _), (_, where, _) = day.terms.terms
        for i in range(300):
            kind, release = demo.FAMILIES[family[i]], when[i] % 24
            fits = [a.memory_gb >= kind.memory_gb for a in demo.ACCELERATORS]
            hours = [release <= h <= release + kind.wait_h for h in range(24)]
            near = np.isfinite(dense[i]).any(axis=(1, 2))
            expected = near[:, None, None] & np.array(fits)[:, None] & np.array(hours)
            assert np.array_equal(np.isfinite(dense[i]), expected)
            assert near[where[i] // 3]
            assert near.all() or where[i] % 3 < 2  # only an online service has a latency circle
            assert not near.all() or where[i] % 3 > 0  # and none of 5 ms holds the whole country

    def test_shares_are_shares(self):
        for table in (demo.SITES, demo.ACCELERATORS):
            assert sum(row.slot_share for row in table) == pytest.approx(1)
        assert sum(row.share for row in demo.FAMILIES) == pytest.approx(1)
        assert sum(row.job_share for row in demo.SITES) == pytest.approx(1)


def test_flow_solves_a_dimacs_file(command, tmp_path):
    """If this fails, `gridcompute flow` does not say what a file costs, or by its exit status."""
    file = tmp_path / "two.min"
    file.write_text("p min 2 1\nn 1 3\nn 2 -3\na 1 2 0 5 7\n")
    status, out, _ = command("flow", str(file))
    assert (status, "optimal: cost 21, certificate True" in out) == (0, True)
    file.write_text("p min 2 1\nn 1 3\nn 2 -3\na 1 2 0 2 7\n")
    assert command("flow", str(file))[0] == 1
    file.write_text("p min 2 1\na 1 9 0 2 7\n")
    status, _, complaint = command("flow", str(file))
    assert status == 2
    assert "line 2" in complaint
