"""Damaged journals, files and messages of shards: the same answer or an error, nothing else."""

import logging
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import gridcompute as gc
from effort import examples
from gridcompute import _core
from gridcompute.shards import shard_worker as answer_folder
from gridcompute.shards.cost_specs import cost_spec
from shard_cases import AS_MANY, ShardsHere, make

pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")
crashes = pytest.importorskip("shard_crashes")


@pytest.fixture(autouse=True)
def small(monkeypatch):
    """Thousands of jobs are solved by passes over shards, and all answers are recorded."""
    monkeypatch.setattr("gridcompute.shards.local_solve._UNRECORDED", -1.0)
    _core.set_tuning("transport", AS_MANY)
    yield
    _core.set_tuning("transport", {})


def abandon(out, solve):
    """Solve up to the last step; the folder that is left."""

    def down(*_):
        raise OSError("the machine went down")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(answer_folder.AnswerFolder, "finish", down)
        with pytest.raises(OSError, match="went down"):
            solve(out)
    return out.with_name(out.name + ".partial")


def damage(r, path, others):
    """Damage a file in one of many ways; which."""
    data = bytearray(path.read_bytes())
    kind = int(r.integers(0, 8))
    at = int(r.integers(0, max(1, len(data))))
    if kind == 0:
        data[at] ^= 1 << int(r.integers(0, 8))
    elif kind == 1:
        data[min(at, 199)] ^= 1 << int(r.integers(0, 8))
    elif kind == 2:
        del data[at:]
    elif kind == 3:
        data += r.bytes(int(r.integers(1, 64)))
    elif kind == 4:
        number = np.int64(r.choice([-1, 0, 1, 1000, 2**31, 2**62]))
        data[at // 8 * 8 : at // 8 * 8 + 8] = number.tobytes()
    elif kind == 5:
        data = bytearray(others[int(r.integers(0, len(others)))].read_bytes())
    elif kind == 6:
        data[at : at + 4096] = bytes(len(data[at : at + 4096]))  # a block that was never written
    else:
        path.unlink()
        return "removed"
    path.write_bytes(bytes(data))
    return f"kind {kind} at {at}"


def test_a_damaged_journal_is_the_same_answer(tmp_path, caplog):
    """If this fails, a bit that turned on the disk is another answer, or the end of the process."""
    want = crashes.bits(crashes.solve(None))
    whole = abandon(tmp_path / "whole", crashes.solve)
    others = abandon(tmp_path / "others", lambda out: crashes.solve(out, 1))
    files = sorted(p for p in whole.rglob("*") if p.is_file())
    strangers = [p for p in others.rglob("*") if p.is_file()] + files
    assert len(files) == 1 + 3 * 3, "a stamp; two answers and a file of each shard"
    for seed in range(examples(32, 10_000)):
        r = np.random.default_rng(seed)
        out = tmp_path / "out"
        partial = out.with_name("out.partial")
        shutil.copytree(whole, partial)
        victim = partial / files[int(r.integers(0, len(files)))].relative_to(whole)
        before = victim.read_bytes()
        story = f"seed {seed}: {victim.relative_to(partial)} {damage(r, victim, strangers)}"
        changed = victim.exists() and victim.read_bytes() != before
        caplog.clear()
        try:
            m = crashes.solve(out)
        except gc.InvalidProblemError as found:
            error = str(found)
        else:
            error = ""
            assert crashes.bits(m) == want, story
            assert not partial.exists(), story
            shutil.rmtree(out)
        if error:  # of the stamp alone
            refusals = r"begun with shard protocol .*, needed 3|which begins answers and is not"
            assert victim.name == "problem.json", story
            assert re.search(refusals, error), story
            shutil.rmtree(partial)
        elif changed:
            name = str(partial if victim.name == "problem.json" else victim.parent.parent)
            if victim.parent.name == "journal":
                name = str(victim)
            assert name in caplog.text, story


def test_an_answer_that_is_whole_is_taken_without_a_word(tmp_path, caplog):
    """If this fails, a call that goes on runs passes again, or warns of what is right."""
    abandon(tmp_path / "out", crashes.solve)
    m = crashes.solve(tmp_path / "out")
    assert m.stats["shards_read"] == 3, "more than the pass for samples"
    assert not [w for w in caplog.records if w.levelno >= logging.WARNING]
    assert [p.name for p in tmp_path.iterdir()] == ["out"]


def test_the_classes_of_an_earlier_plan_are_no_answer(tmp_path):
    """If this fails, files of one plan stand beside those of another."""
    plans = [answer_folder.ASSIGN + prices for prices in (b"first", b"second")]
    with answer_folder.AnswerFolder(tmp_path / "out", ["a problem"]) as folder:
        folder.record(0, plans[0], b"load")
        assert [folder.recorded(0, plan) for plan in plans] == [b"load", None]


def test_kill_9_at_any_step_and_the_same_answer(tmp_path):
    """If this fails, a process that was killed leaves what the next call cannot go on from."""
    script = Path(crashes.__file__)
    found = subprocess.run(
        [sys.executable, str(script), str(tmp_path), "2", str(examples(9, 1))],
        capture_output=True,
        text=True,
        check=False,
    )
    assert found.returncode == 0, found.stdout + found.stderr
    assert " 0 wrong" in found.stdout


def test_two_at_one_out_are_told_apart(tmp_path):
    """If this fails, two processes write one answer; or a lock outlives the process that died."""
    out = tmp_path / "out"
    lock = tmp_path / "out.partial.lock"
    with answer_folder.AnswerFolder(out, ["mine"]):
        with pytest.raises(gc.InvalidProblemError) as error:
            crashes.solve(out)
        assert f"found process {os.getpid()} on {os.uname().nodename} at work on {out}" in str(
            error.value
        )
        assert error.value.field == "out"
    assert not lock.exists()
    lock.write_text("process 1 on a machine that went down")
    assert crashes.bits(crashes.solve(out)) == crashes.bits(crashes.solve(None))
    assert [p.name for p in tmp_path.iterdir()] == ["out"]
    with pytest.raises(gc.InvalidProblemError, match="found files in"):
        crashes.solve(out)
    assert not lock.exists()


def test_a_file_system_without_locks_is_said(tmp_path, monkeypatch, caplog):
    """If this fails, a mount without locks ends a solve, or nobody learns that there are none."""
    import fcntl

    def none(*_):
        raise OSError(37, "No locks available")

    monkeypatch.setattr(fcntl, "flock", none)
    assert crashes.solve(tmp_path / "out").status == "optimal"
    assert "out.partial.lock cannot be locked" in caplog.text
    assert [p.name for p in tmp_path.iterdir()] == ["out"]


def test_a_function_of_the_same_name_is_another_one(tmp_path, caplog):
    """If this fails, jobs that a program makes otherwise today get the classes of yesterday's."""
    work = np.random.default_rng(1).lognormal(1, 1, 33_000)
    family = np.random.default_rng(2).integers(0, 7, 33_000)

    def solve(out, jobs):
        terms = [(crashes._TERMS[0][0], "family", "work")]
        source = gc.shards.generated(33_000, jobs, terms=terms, rows_per_shard=1)
        return gc.transport(source, crashes.CAPACITY, out=out, threads=1)

    def columns_of(first, last):
        return {"family": family[first:last], "work": work[first:last]}

    before = columns_of

    def columns_of(first, last):
        more = np.where(np.arange(first, last) == 32_940, 1.01, 1.0)  # a job that no sample has
        return {"family": family[first:last], "work": more * work[first:last]}

    abandon(tmp_path / "out", lambda out: solve(out, before))
    assert crashes.bits(solve(tmp_path / "out", columns_of)) == crashes.bits(
        solve(None, columns_of)
    )
    assert caplog.text.count("of another problem") == 1
    abandon(tmp_path / "more", lambda out: solve(out, before))
    work[5] += 1  # the same code, over other numbers
    assert crashes.bits(solve(tmp_path / "more", before)) == crashes.bits(solve(None, before))
    assert caplog.text.count("of another problem") == 2


def test_files_that_change_are_found(tmp_path, caplog):
    """If this fails, passes before a change are joined to passes after it."""
    columns, terms, capacity = make(33_000, 20, 5)
    jobs = tmp_path / "jobs.parquet"

    def write():
        pq.write_table(pa.table(columns), jobs, compression="none")

    def solve(out):
        source = gc.shards.parquet(jobs, terms=terms, rows_per_shard=1, cache_bytes=0)
        return gc.transport(source, capacity, out=out)

    write()
    abandon(tmp_path / "out", solve)
    columns["work"] = columns["work"][::-1].copy()
    write()
    assert crashes.bits(solve(tmp_path / "out")) == crashes.bits(solve(None))
    assert "of another problem, or of files that have changed since" in caplog.text
    source = gc.shards.parquet(jobs, terms=terms, rows_per_shard=1, cache_bytes=0)
    read = source.read

    def changing(shard, threads):
        if shard == 2:
            write()
            os.utime(jobs, ns=(0, 0))
        return read(shard, threads)

    source.read = changing
    with pytest.raises(gc.InvalidProblemError, match=r"jobs\.parquet changed since"):
        gc.transport(source, capacity)


def test_a_damaged_message_is_an_error():
    """If this fails, what a connection or a memory did to a message is part of an answer."""
    columns, terms, capacity = make(6000, 20, 3)
    rows = [2500, 0, 3500]
    spec = cost_spec(terms, None, None)
    seen = []

    def run(carry):
        shards = ShardsHere(spec, columns, rows, carry=carry)
        m = shards.solve(capacity, None, 0, None)
        assert m.verify().valid
        return crashes.bits(m)

    def damaged(message, r):
        kind, at = int(r.integers(0, 4)), int(r.integers(0, len(message)))
        turned = bytearray(message)
        turned[at] ^= 1 << int(r.integers(0, 8))
        other = seen[int(r.integers(0, len(seen)))]
        return (message[:at], message + r.bytes(8), other, bytes(turned))[kind]

    want = run(lambda message: seen.append(message) or message)
    assert len(seen) > 15, "too few kinds of messages"
    for seed in range(examples(80, 10_000)):
        r = np.random.default_rng(seed)
        which = int(r.integers(0, len(seen)))
        sent = damaged(seen[which], r)
        messages = iter(range(len(seen)))
        story = f"seed {seed}, message {which}"

        def carry(message, which=which, sent=sent, at=messages):
            return sent if next(at) == which else message

        if sent == seen[which]:
            assert run(carry) == want, story
        else:
            with pytest.raises(gc.InternalError, match="found damaged bytes in "):
                run(carry)


def test_what_is_infeasible_is_proved_by_whole_messages_only():
    """If this fails, a count of jobs that was damaged on its way proves what is not so."""
    columns, terms, capacity = make(6000, 20, 3)
    turn = False

    def carry(message):
        return message[:-8] + bytes([message[-8] ^ 1]) + message[-7:] if turn else message

    shards = ShardsHere(cost_spec(terms, None, None), columns, [3000, 3000], carry=carry)
    m = shards.solve(capacity // 2, None, 0, None)
    assert m.status == "infeasible"
    assert m.verify().valid
    turn = True
    with pytest.raises(gc.InternalError, match="damaged bytes in an answer of the shard of 3000"):
        m.verify()
