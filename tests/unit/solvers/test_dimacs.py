"""DIMACS files that are damaged, hostile or in another encoding: one error that says where."""

import gzip
import os
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from gridcompute import (
    INFINITE,
    InvalidProblemError,
    min_cost_flow,
    read_dimacs,
    write_dimacs,
)

TEXT = b"c a comment\np min 3 2\nn 1 4\nn 3 -4\na 1 2 0 5 1\na 2 3 0 5 2\n"

CHILD = """
import resource, sys, traceback
import gridcompute
resource.setrlimit(resource.RLIMIT_AS, (3 << 29, 3 << 29))  # 1.5 GB
try:
    print(gridcompute.read_dimacs(sys.argv[1]))
except gridcompute.InvalidProblemError as error:
    print("invalid:", error)
"""


def read_in_a_child(path):
    """Read a file in a process that has 1.5 GB, and return what it prints."""
    done = subprocess.run(
        [sys.executable, "-c", CHILD, path],
        text=True,
        capture_output=True,
        check=False,
        env=os.environ | {"OPENBLAS_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, (done.returncode, done.stderr)
    return done.stdout


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (b"p min 2000000000 0\n", "line 1: found 2000000000 nodes, needed at most 4194323"),
        (b"p min 2000000000 2000000000", "line 1: found 0 arcs, needed 2000000000"),
        (b"p min 2000000000 1\na 1 2 0 1 1\n", "line 1: found 2000000000 nodes, needed at most"),
        (b"p min 2147483647 0\nn 2147483647 0\n", "line 1: found 2147483647 nodes, needed"),
        (b"p min 9223372036854775807 0\n", "line 1: needed fewer than 2^31 nodes"),
        (b"p min 5 9223372036854775807\n", "line 1: found 0 arcs, needed 9223372036854775807"),
    ],
)
def test_a_header_takes_no_memory_for_what_it_promises(tmp_path, text, says):
    """If this fails, nineteen bytes take sixteen gigabytes."""
    path = tmp_path / "bomb.min"
    path.write_bytes(text)
    out = read_in_a_child(path)
    assert out.startswith(f"invalid: {path}, line "), out
    assert says in out, out


@pytest.mark.parametrize("content", [b"c\n", b" ", b"\n", b"c " + b"x" * 998 + b"\n", b"\0"])
def test_a_gzip_bomb_is_refused(tmp_path, content):
    """If this fails, some megabytes of gzip take all memory there is."""
    path = tmp_path / "bomb.min.gz"
    member = gzip.compress(content * ((1 << 22) // len(content)))
    path.write_bytes(member * 512)  # two gigabytes
    out = read_in_a_child(path)
    assert out.startswith(f"invalid: {path}"), out
    assert "found" in out, out
    assert "needed" in out, out


def test_isolated_nodes_are_no_bomb(tmp_path):
    """If this fails, a network with nodes that no line names cannot be read back."""
    path = tmp_path / "sparse.min"
    write_dimacs(path, ([], [], [], [], np.zeros(4_000_000, np.int64)))
    assert len(read_dimacs(path).supply) == 4_000_000


ENCODED = [
    (TEXT.decode().encode("utf-16"), 1, "a byte order mark of UTF-16 or UTF-32"),
    (b"\xfe\xff" + TEXT.decode().encode("utf-16-be"), 1, "a byte order mark of UTF-16 or UTF-32"),
    (TEXT.decode().encode("utf-32"), 1, "a byte order mark of UTF-16 or UTF-32"),
    (TEXT.decode().encode("utf-16-le"), 1, "a zero byte"),
    (TEXT.decode().encode("utf-16-be"), 1, "a zero byte"),
    (TEXT.replace(b"a 1 2", b"\xe4 1 2"), 5, "found '\\xe4'"),
    (TEXT.replace(b"a 1 2", b"a \xbd 2"), 5, "an integer, found '\\xbd'"),
    (TEXT.replace(b"a 1 2", "a ٣ 2".encode()), 5, "an integer, found '\\xd9\\xa3'"),
    (TEXT.replace(b"p min", b"p m\xc3\xaen"), 2, "needed the problem type 'min', found 'm\\xc3"),
    (TEXT.replace(b"5 1\n", b"5 1 \x1b[31m\n"), 5, "the end of the line, found '\\x1b[31m'"),
    (TEXT.replace(b"a 1 2", b"a " + b"9" * 5000), 5, "found '" + "9" * 40 + "...'"),
    (TEXT.replace(b"\n", b"\r"), 0, "found no 'p min NODES ARCS' line"),
    (b"c" * (1 << 21), 1, "found a line of more than 1048576 bytes"),
    (TEXT + b"a 1 3 0 1 1\n", 7, "found more arcs than 2"),
    (os.urandom(64).replace(b"c", b"x") * 100, 1, "needed"),
]


@pytest.mark.parametrize(("data", "line", "says"), ENCODED, ids=range(len(ENCODED)))
def test_another_encoding_is_named(tmp_path, data, line, says):
    """If this fails, a file in another encoding ends in a traceback of the decoder."""
    for name, content in (("a.min", data), ("a.min.gz", gzip.compress(data))):
        path = tmp_path / name
        path.write_bytes(content)
        with pytest.raises(InvalidProblemError) as caught:
            read_dimacs(path)
        message = str(caught.value)
        assert message.isascii(), message
        assert name in message, message
        if says != "needed":
            assert (caught.value.index or 0) in (line, 1), message
            assert says in message, message


def test_comments_may_be_in_any_encoding_and_a_mark_may_come_first(tmp_path):
    """If this fails, what an editor adds to a file makes it unreadable."""
    plain = tmp_path / "plain.min"
    plain.write_bytes(TEXT)
    for k, text in enumerate(
        (
            b"\xef\xbb\xbf" + TEXT,
            TEXT.replace(b"a comment", "Köln".encode("latin-1")),
            TEXT.replace(b"a comment", "Köln".encode()),
            TEXT.replace(b"\n", b"\r\n"),
            TEXT[:-1],
        )
    ):
        path = tmp_path / f"{k}.min"
        path.write_bytes(text)
        for ours, theirs in zip(read_dimacs(path), read_dimacs(plain), strict=True):
            assert (ours == theirs).all()


def test_a_file_cut_anywhere_is_invalid_or_whole(tmp_path):
    """If this fails, a file that was not copied to its end is read as another problem."""
    path = tmp_path / "cut.min"
    whole = [a.tolist() for a in problem(TEXT, path)]
    for size in range(len(TEXT)):
        if size == len(TEXT) - 1:  # without the last newline
            assert [a.tolist() for a in problem(TEXT[:size], path)] == whole
            continue
        with pytest.raises(InvalidProblemError, match=r"cut\.min, line "):
            problem(TEXT[:size], path)
    packed = gzip.compress(TEXT)
    for size in range(2, len(packed)):
        path.write_bytes(packed[:size])
        with pytest.raises(InvalidProblemError, match=r"cut\.min"):
            read_dimacs(path)


def problem(text, path):
    path.write_bytes(text)
    return read_dimacs(path)


def test_bytes_changed_at_random_are_read_or_refused(tmp_path):
    """If this fails, some damage of a file ends in another error, or in the process."""
    seed = 11
    r = np.random.default_rng(seed)
    for trial in range(2000):
        data = bytearray(gzip.compress(TEXT) if trial % 2 else TEXT)
        for _ in range(int(r.integers(1, 4))):
            data[int(r.integers(0, len(data)))] = int(r.integers(0, 256))
        said = ""
        try:
            problem(bytes(data), tmp_path / "damaged.min")
        except InvalidProblemError as error:
            said = str(error)
        assert said.isascii(), (seed, trial, bytes(data))


def test_pieces_may_be_cut_anywhere(tmp_path):
    """If this fails, a line or a gzip member that lies across two reads is read as two."""
    r = np.random.default_rng(3)
    n, m = 500, 120_000
    tail, head = r.integers(0, n, (2, m))
    capacity = np.where(r.random(m) < 0.1, INFINITE, r.integers(0, 10**6, m))
    arrays = (tail, head, capacity, r.integers(-(10**6), 10**6, m), np.zeros(n, np.int64))
    plain, packed, two = (tmp_path / name for name in ("a.min", "a.min.gz", "two.gz"))
    write_dimacs(plain, arrays)
    write_dimacs(packed, arrays)
    text = plain.read_bytes()
    assert len(text) > 3 << 20
    two.write_bytes(gzip.compress(text[:1_234_567]) + gzip.compress(text[1_234_567:]) + b"\0" * 99)
    for path in (plain, packed, two):
        for ours, theirs in zip(read_dimacs(path), arrays, strict=True):
            assert (ours == theirs).all(), path


def test_other_members_than_gzip_are_refused(tmp_path):
    """If this fails, what follows the end of a gzip file is dropped in silence."""
    path = tmp_path / "a.min.gz"
    path.write_bytes(gzip.compress(TEXT) + b"a 1 3 0 1 1\n")
    with pytest.raises(InvalidProblemError, match="broken gzip"):
        read_dimacs(path)


def test_files_that_are_none(tmp_path):
    """If this fails, a folder or a missing file is called a bad problem."""
    for path in (tmp_path, tmp_path / "none.min", tmp_path / "none" / "a.min"):
        with pytest.raises(OSError, match=str(tmp_path)):
            read_dimacs(path)
    with pytest.raises(InvalidProblemError, match="line 1: found a line of more than"):
        read_dimacs("/dev/zero")
    with pytest.raises(InvalidProblemError, match="found no 'p min"):
        read_dimacs(os.devnull)
    odd = os.fsencode(tmp_path) + b"/\xff.min"
    Path(os.fsdecode(odd)).write_bytes(b"q\n")
    with pytest.raises(InvalidProblemError, match="line 1"):
        read_dimacs(os.fsdecode(odd))


def test_a_pipe_is_read_to_its_end(tmp_path):
    """If this fails, `gridcompute flow <(zcat ...)` cannot read."""
    path = tmp_path / "pipe"
    os.mkfifo(path)
    writer = threading.Thread(target=path.write_bytes, args=(gzip.compress(TEXT),))
    writer.start()
    assert min_cost_flow(*read_dimacs(path)).objective == 12
    writer.join()


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"tail": [0, 9]}, "tail"),
        ({"head": [-1, 2]}, "head"),
        ({"capacity": [-1, 5]}, "capacity"),
        ({"cost": [1]}, "cost"),
        ({"lower": [6, 0]}, "capacity"),
    ],
)
def test_what_is_no_problem_is_not_written(tmp_path, change, field):
    """If this fails, a file is written that cannot be read, over one that could."""
    arrays = {
        "tail": [0, 1],
        "head": [1, 2],
        "capacity": [5, 5],
        "cost": [1, 2],
        "supply": [4, 0, -4],
        "lower": [0, 0],
    }
    path = tmp_path / "a.min"
    write_dimacs(path, tuple(arrays.values()))
    before = path.read_bytes()
    with pytest.raises(InvalidProblemError) as caught:
        write_dimacs(path, tuple((arrays | change).values()))
    assert caught.value.field == field
    assert path.read_bytes() == before


def test_a_full_disk_leaves_the_old_file(tmp_path):
    """If this fails, a write that does not end takes the file that was there."""
    path = tmp_path / "a.min"
    path.write_bytes(TEXT)
    code = """
import resource, signal, sys, numpy as np
from gridcompute import write_dimacs
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
one = np.ones(10_000, int)
try:
    write_dimacs(sys.argv[1], (0 * one, one, one, one, [1, -1]))
except OSError:
    print("refused")
"""
    done = subprocess.run(
        [sys.executable, "-c", code, path], text=True, capture_output=True, check=False
    )
    assert done.stdout == "refused\n", done.stderr
    assert path.read_bytes() == TEXT
    assert list(tmp_path.iterdir()) == [path]
