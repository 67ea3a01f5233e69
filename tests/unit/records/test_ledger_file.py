"""A ledger's file among other writers, readers and full disks: whole lines, or none."""

import errno
import itertools
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import textwrap
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from disks import fill, small_disk, with_file_limit
from gridcompute import InvalidProblemError
from gridcompute.grid import Ledger
from gridcompute.grid.files.json_text import canonical
from gridcompute.grid.plan import ledger_entry as ledger_file
from ledger_cases import CHILD, appended, batches, ledger_of, plan

# ---------------------------------------------------------------- lines


@pytest.mark.parametrize(
    "name",
    ["\u2028", "\u2029", "\x85", "\x1c", "\x0b", "a\r", "a\nb", "\t", '"', "\\", "\U0001f600", ""],
    ids=ascii,
)
def test_a_name_of_any_character_does_not_end_a_line(tmp_path, name):
    """U+2028 in a site's name, and the ledger could never be read again."""
    path = tmp_path / "ledger.jsonl"
    ledger = Ledger().record(plan(f"x{name}y", "z"), batch=f"b{name}", serials=[f"s{name}"])
    ledger.record(plan("z"), batch="next").write(path)
    again = Ledger.read(path)
    assert again.entries[0] == ledger.entries[0]
    assert path.read_bytes().count(b"\n") == 2
    appended(path, "last")
    assert batches(path) == [f"b{name}", "next", "last"]


def test_half_a_character_is_refused_before_anything_is_written(tmp_path):
    """An unpaired surrogate has no UTF-8: it would fail amid the write."""
    path = tmp_path / "ledger.jsonl"
    for call in (
        lambda: Ledger().record(plan("\ud800"), batch="a"),
        lambda: Ledger().record(plan("x"), batch="\udfff"),
        lambda: Ledger().record(plan("x"), batch="a", serials=["\ud800"]),
    ):
        with pytest.raises(InvalidProblemError, match="unpaired surrogate"):
            call()
    assert not path.exists()


def test_lines_say_their_version_and_are_canonical(path):
    """If this fails, another program cannot recompute the hashes from the file."""
    import hashlib

    for line in path.read_bytes().splitlines(keepends=True):
        content = json.loads(line)
        assert content["version"] == 3
        assert canonical(content) + b"\n" == line
        head = content.pop("hash")
        text = line.replace(f'"hash":"{head}",'.encode(), b"")
        assert hashlib.sha256(text.rstrip(b"\n")).hexdigest() == head


def test_another_version_is_refused_by_name(path):
    """If this fails, a line whose meaning is unknown here is taken for one of today's."""
    for wrong in ("4", '"3"', "true", "2", "null", "2.5"):
        text = path.read_text()
        head, _, tail = text.rpartition('"version":3')
        path.write_text(f'{head}"version":{wrong}{tail}')
        with pytest.raises(InvalidProblemError, match=r"line 3: found version .*, needed 3"):
            Ledger.read(path)
        path.write_text(text)


@given(st.lists(st.floats(min_value=0, allow_infinity=False), min_size=2, max_size=2))
def test_any_energy_is_read_as_it_was_written(energy):
    """Doubles beyond 2**53 are written as whole numbers of many digits, and are no integers."""
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder, "ledger.jsonl")
        ledger = ledger_of("a").meter("a", load_kwh=energy, green_kwh=energy)
        ledger.write(path)
        assert Ledger.read(path, head=ledger.head).entries == ledger.entries


# ---------------------------------------------------------------- other writers


def test_a_lost_final_newline_does_not_glue_two_lines(path):
    """An editor that strips the last newline, and the next append made the file unreadable."""
    path.write_bytes(path.read_bytes().rstrip(b"\n"))
    assert batches(path) == ["a", "b", "c"]
    appended(path, "d", "e")
    assert batches(path) == ["a", "b", "c", "d", "e"]
    assert path.read_bytes().count(b"\n") == 5


def test_writers_that_began_alike_leave_one_history(tmp_path):
    """Two read and then two write: one is refused, and the file stays readable."""
    path = tmp_path / "ledger.jsonl"
    ledger_of("a").write(path)
    child = CHILD + textwrap.dedent(
        """
        sites = [f"site {k}" for k in range(40)]
        for k in range(10):
            name = f"{sys.argv[2]}-{k}"
            ledger = grid.Ledger.read(sys.argv[1]).record(plan(*sites), batch=name)
            try:
                ledger.write(sys.argv[1])
            except InvalidProblemError as error:
                assert "holds another ledger" in str(error), error
            else:
                print(name)
        """
    )
    command = [sys.executable, "-c", child, str(path)]
    children = [
        subprocess.Popen([*command, str(c)], stdout=subprocess.PIPE, text=True) for c in range(3)
    ]
    acknowledged = [c.communicate()[0].split() for c in children]
    assert [c.returncode for c in children] == [0] * 3
    assert sorted(batches(path)) == sorted(["a", *itertools.chain(*acknowledged)])


def test_updates_of_many_processes_all_count(tmp_path):
    """Read, change and write under one lock: no process overwrites another's batch."""
    path = tmp_path / "ledger.jsonl"
    child = CHILD + textwrap.dedent(
        """
        for k in range(12):
            name = f"{sys.argv[2]}-{k}"
            grid.Ledger.update(sys.argv[1], lambda old: old.record(plan("x"), batch=name))
        """
    )
    children = [
        subprocess.Popen([sys.executable, "-c", child, str(path), str(c)]) for c in range(4)
    ]
    assert [c.wait() for c in children] == [0] * 4
    assert sorted(batches(path)) == sorted(f"{c}-{k}" for c in range(4) for k in range(12))


def test_readers_beside_a_writer_never_see_half_a_line(tmp_path):
    """If this fails, a read at the wrong moment calls a sound ledger torn."""
    path = tmp_path / "ledger.jsonl"
    ledger_of("a").write(path)
    child = CHILD + textwrap.dedent(
        """
        names = [f"site {k}" for k in range(60)]
        for k in range(25):
            grid.Ledger.update(sys.argv[1], lambda old: old.record(plan(*names), batch=str(k)))
        """
    )
    writer = subprocess.Popen([sys.executable, "-c", child, str(path)])
    seen, ended = 0, False
    while not ended:
        ended = writer.poll() is not None
        found = batches(path)
        assert len(found) >= seen
        seen = len(found)
    assert (writer.returncode, seen) == (0, 26)


def test_a_writer_waits_for_the_lock(path, monkeypatch):
    """If this fails, a writer goes ahead while another one is at work, or waits for good."""
    writer = threading.Thread(target=appended, args=(path, "d"))
    with ledger_file.LedgerFile(path, write=True) as file:
        writer.start()
        before = path.read_bytes()
        file.append([ledger_of("a", "b", "c", "x").entries[-1]])
        assert path.read_bytes().startswith(before)
    writer.join()
    assert batches(path) == ["a", "b", "c", "x", "d"]
    monkeypatch.setattr(ledger_file, "LOCK_S", 0.01)
    with (
        ledger_file.LedgerFile(path, write=True),
        pytest.raises(TimeoutError, match="held its lock"),
    ):
        Ledger.read(path)


# ---------------------------------------------------------------- disks


def test_a_full_disk_leaves_the_file_as_it_was(tmp_path):
    """Half a line on a full disk, and the ledger could never be read again."""
    with small_disk(tmp_path / "disk", 64) as disk:
        path = disk / "ledger.jsonl"
        ledger_of("a", "b").write(path)
        before = path.read_bytes()
        fill(disk)
        ledger = Ledger.read(path)
        for k in range(20):
            ledger = ledger.record(plan(*(f"site {i}" for i in range(60))), batch=str(k))
        with pytest.raises(OSError, match="No space left") as caught:
            ledger.write(path)
        assert caught.value.errno == errno.ENOSPC
        assert path.read_bytes() == before
        assert batches(path) == ["a", "b"]
        with pytest.raises(OSError, match="No space left"):
            ledger.write(disk / "new.jsonl")
        assert not (disk / "new.jsonl").exists()
        (disk / "ballast").unlink()
        ledger.write(path)
        assert batches(path) == ["a", "b", *map(str, range(20))]


def test_a_write_cut_short_is_taken_back(tmp_path):
    """The kernel takes a part of the lines and then no more: none of them may stay."""
    path = tmp_path / "ledger.jsonl"
    ledger_of("a", "b").write(path)
    before = path.read_bytes()
    child = CHILD + textwrap.dedent(
        """
        ledger = grid.Ledger.read(sys.argv[1])
        for k in range(50):
            ledger = ledger.record(plan("x", "y"), batch=str(k))
        try:
            ledger.write(sys.argv[1])
        except OSError as error:
            print("refused:", error)
        """
    )
    done = with_file_limit(child, len(before) + 1500, path)
    assert done.stdout.startswith("refused:"), done
    assert path.read_bytes() == before


@pytest.mark.parametrize("fails", ["write", "fsync"])
def test_a_failing_disk_is_told_and_nothing_stays(path, monkeypatch, fails):
    """A ledger that says it is written, but is not on the disk, is lost with the power."""
    before = path.read_bytes()
    ledger = Ledger.read(path).record(plan("x"), batch="d")

    def failing(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, fails, failing)
        with pytest.raises(OSError, match="No space left"):
            ledger.write(path)
    assert path.read_bytes() == before
    ledger.write(path)
    assert batches(path) == ["a", "b", "c", "d"]


def test_written_lines_are_brought_to_the_disk(path, monkeypatch):
    """If this fails, a machine that loses its power loses batches that were said to be written."""
    synced = []
    fsync = os.fsync

    def noted(descriptor):
        synced.append(os.fstat(descriptor).st_size)
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", noted)
    appended(path, "d")
    assert synced == [path.stat().st_size]
