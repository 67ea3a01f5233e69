"""The command line: exit statuses, one-line complaints, and the packaged demonstration."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

import gridcompute
from gridcompute import CostRangeError, InfeasibleError, InvalidProblemError


def test_version(command):
    assert command("--version") == (0, f"gridcompute {gridcompute.__version__}\n", "")


def test_module_is_the_command_too():
    """Where the script is not on the path: python -m gridcompute."""
    done = subprocess.run(
        [sys.executable, "-m", "gridcompute", "--version"], capture_output=True, text=True
    )
    assert (done.returncode, done.stdout) == (0, f"gridcompute {gridcompute.__version__}\n")


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

    monkeypatch.setattr("gridcompute.grid.east_west", fails)
    found, _, err = command("demo")
    assert found == status
    assert err.startswith("gridcompute: ")
    assert err.count("\n") == 1


def test_an_interrupt_has_the_shells_status(command, monkeypatch):
    def fails(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("gridcompute.grid.east_west", fails)
    assert command("demo")[0] == 130


@pytest.mark.parametrize(
    "error",
    [
        gridcompute.InternalError("certificate refused"),
        TypeError("unsupported operand"),
        KeyError("gang"),
        ZeroDivisionError("division by zero"),
        OverflowError("int too large"),
        RecursionError("maximum depth"),
        AssertionError("holds"),
        ValueError("a plain one"),
    ],
    ids=lambda e: type(e).__name__,
)
def test_an_internal_error_is_no_bad_input(command, monkeypatch, error):
    """A bug of ours passed for bad input, or for an infeasible problem."""

    def fails(*_, **__):
        raise error

    monkeypatch.setattr("gridcompute.grid.east_west", fails)
    status, out, err = command("demo")
    assert (status, out) == (3, "")
    assert err.startswith("Traceback (most recent call last):")
    last = err.splitlines()[-1]
    assert last.startswith(f"gridcompute: internal error, {type(error).__name__}: ")
    assert "please report it" in last


@pytest.mark.parametrize(
    "error",
    [
        MemoryError("Unable to allocate 8 TiB"),
        OSError(errno.ENOSPC, "No space left on device", "plan.npz"),
        OSError(errno.EIO, "Input/output error"),
        TimeoutError(errno.ETIMEDOUT, "another process has held its lock for 30 s"),
    ],
    ids=str,
)
def test_a_full_machine_is_no_bad_input(command, monkeypatch, error):
    """A script that mends its input after status 2 would mend for good."""

    def fails(*_, **__):
        raise error

    monkeypatch.setattr("gridcompute.grid.east_west", fails)
    status, _, err = command("demo")
    assert status == 4
    assert err.startswith("gridcompute: ")
    assert err.count("\n") == 1


def test_output_that_nobody_reads_is_no_error(tmp_path):
    """`gridcompute verify PLAN | head -1` ended in a traceback, or in two."""
    command = [sys.executable, "-m", "gridcompute", "--help"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    done = subprocess.Popen(command, **pipes)
    done.stdout.close()
    told = done.stderr.read()
    done.stderr.close()
    assert (done.wait(), told) == (141, "")
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 4
    assert done.stderr.count("\n") == 1
    assert "No space left" in done.stderr


def test_a_terminal_without_the_characters_of_a_name_gets_escapes(tmp_path):
    """If this fails, a plan for Ürümqi ends in UnicodeEncodeError where the locale is C."""
    path = tmp_path / "Ürümqi.min"
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    done = subprocess.run(
        [sys.executable, "-m", "gridcompute", "flow", str(path)],
        env=environment,
        capture_output=True,
        check=False,
    )
    assert done.returncode == 2
    assert b"\\xdcr\\xfcmqi.min" in done.stderr


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("what", ["whatif"]),
        ("whatif --latency-rule ", ["one_way", "round_trip"]),
        ("bench f", ["flow"]),
    ],
)
def test_a_shell_completes_commands_and_choices(words, found):
    """If this fails, what --install-completion installs completes nothing."""
    line = f"gridcompute {words}"
    asked = {"_GRIDCOMPUTE_COMPLETE": "complete_bash", "COMP_WORDS": line}
    asked["COMP_CWORD"] = str(len(line.split(" ")) - 1)
    command = [sys.executable, "-m", "gridcompute"]
    done = subprocess.run(
        command, env={**os.environ, **asked}, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == found


def test_an_unwritable_folder_is_bad_input(command, tmp_path):
    (tmp_path / "file").write_text("")
    status, _, err = command("demo", "--jobs", "10", "--out", str(tmp_path / "file"))
    assert status == 2
    assert "file" in err


def test_demo_runs_the_platform(command, tmp_path):
    """If this fails, the first thing anybody tries is broken."""
    out = tmp_path / "new" / "folder"
    status, text, _ = command("demo", "--jobs", "2000", "--time-limit", "2", "--out", str(out))
    assert status == 0
    words = ("jobs placed", "proved gap", "N1", "N2 hourly", "N3 CFE", "CO2", "Lowest N2")
    for word in (*words, "Karamay", "What holds the plan back", "plan.html"):
        assert word in text
    assert "<svg" in (out / "plan.html").read_text()
    assert command("verify", str(out))[0] == 0


def test_help_is_quick_for_it_imports_nothing_heavy():
    code = (
        "import sys; from gridcompute.cli import app; app.run(['--help'])\n"
        "print([m for m in ('numba', 'scipy', 'matplotlib', 'pyarrow') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


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


@pytest.mark.parametrize(
    "data",
    [
        "p min 2 1\nn 1 3\nn 2 -3\na 1 2 0 5 \xe9\n".encode("latin-1"),
        "p min 2 1\nn 1 3\nn 2 -3\na 1 2 0 5 7\n".encode("utf-16"),
        bytes(range(128, 256)) * 3,
        b"",
        bytes(100),
        b"\x1f\x8b\x08\x00",
        b"p min 2000000000 0\n",
    ],
    ids=["latin-1", "UTF-16", "noise", "empty", "zeros", "half a gzip", "a bomb of 19 bytes"],
)
def test_a_malformed_dimacs_file_is_bad_input(command, tmp_path, data):
    """It ended in a traceback and in status 1, which means infeasible."""
    file = tmp_path / "some.min"
    file.write_bytes(data)
    status, out, err = command("flow", str(file))
    assert (status, out) == (2, "")
    assert err.startswith("gridcompute: ")
    assert "some.min" in err
    assert err.count("\n") == 1
    assert file.read_bytes() == data
