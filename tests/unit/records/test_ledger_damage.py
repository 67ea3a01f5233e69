"""Ledgers changed behind the library's back: refused with the line at fault, and repaired."""

import dataclasses
import hashlib
import json
import os
import subprocess
import sys
import textwrap

import pytest

from disks import fill, small_disk
from gridcompute import InvalidProblemError
from gridcompute.cli import app as cli
from gridcompute.grid import Ledger
from gridcompute.grid.files.json_text import canonical
from gridcompute.grid.plan.ledger_entry import GENESIS, Entry
from ledger_cases import CHILD, appended, batches, ledger_of, plan

# ---------------------------------------------------------------- forgeries and mistakes


def forged(**changes):
    """A ledger of one batch in which a value was changed and the hash computed again."""
    content = {"batch": "a", "kind": "plan", "sites": ["North"], "load_kwh": [10.0]}
    content |= {"green_kwh": [8.0], "certificate_kwh": [0.0], "serials": ["GEC-1"]}
    content |= {"intervals": [["2026-06-01T00:00:00Z", "2026-06-02T00:00:00Z"]]}
    content |= {"bundles": [["wind", 0, 99], ["sun", 0, 9]], "version": 3, "previous": GENESIS}
    content |= changes
    try:
        content["hash"] = hashlib.sha256(canonical(content)).hexdigest()
    except ValueError:  # no number of JSON, which no hash can be of
        content["hash"] = GENESIS
    return json.dumps(content).encode() + b"\n"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"load_kwh": [-1.0]}, r"load_kwh\[0\]: found -1.0, needed a finite number >= 0"),
        ({"green_kwh": [-0.5]}, r"green_kwh\[0\]: found -0.5"),
        ({"certificate_kwh": [-1e-3]}, r"certificate_kwh\[0\]: found -0.001"),
        ({"load_kwh": [float("nan")]}, "NaN is no number of JSON"),
        ({"load_kwh": [float("inf")]}, "Infinity is no number of JSON"),
        ({"load_kwh": ["10"]}, r"load_kwh\[0\]: found '10'"),
        ({"load_kwh": [True]}, r"load_kwh\[0\]: found True"),
        ({"load_kwh": [2**53 + 1]}, r"load_kwh\[0\]: found 9007199254740993"),
        ({"load_kwh": [10.0, 1.0]}, "load_kwh: found '2 values', needed 1, one for each site"),
        ({"load_kwh": 10.0}, "load_kwh: found 10.0, needed 1"),
        ({"sites": ["North", "North"]}, r"sites\[1\]: found 'North', needed text, each once"),
        ({"sites": [7]}, r"sites\[0\]: found 7"),
        ({"serials": ["x", "x"]}, r"serials\[1\]: found 'x'"),
        ({"batch": 7}, "batch: found 7, needed text"),
        ({"kind": "guess"}, "kind: found 'guess', needed 'plan' or 'meter'"),
        ({"kind": "meter"}, "needed a planned batch to meter"),
        ({"note": "x"}, "found an unknown key 'note'"),
        ({"version": 2}, "found version 2, needed 3"),
        ({"intervals": "always"}, "intervals: found 'always', needed a row, each a begin and a"),
        ({"intervals": [["2026-06-01", "2026-06-02"]]}, r"intervals\[0\]: found \('2026-06-01', "),
        (
            {"intervals": [["2026-06-31T00:00:00Z", "2026-07-01T00:00:00Z"]]},
            r"intervals\[0\]: found .*, needed a begin and a later end like",
        ),
        ({"intervals": [["2026-06-02T00:00:00Z"] * 2]}, r"intervals\[0\]: found"),
        (
            {
                "intervals": [
                    ["2026-06-01T00:00:00Z", "2026-06-02T00:00:00Z"],
                    ["2026-06-01T23:00:00Z", "2026-06-03T00:00:00Z"],
                ]
            },
            r"intervals\[1\]: found .*, needed none before the end of",
        ),
        ({"bundles": [["w", 0]]}, r"bundles\[0\]: found \('w', 0\), needed an issuance, its first"),
        ({"bundles": [["w", 5, 4]]}, r"bundles\[0\]: found \('w', 5, 4\)"),
        ({"bundles": [["w", -1, 4]]}, r"bundles\[0\]: found \('w', -1, 4\)"),
        ({"bundles": [["w", 0, 2**53]]}, r"bundles\[0\]: found"),
        ({"bundles": [["w", 0.5, 4]]}, r"bundles\[0\]: found"),
        ({"bundles": [[7, 0, 4]]}, r"bundles\[0\]: found"),
        (
            {"bundles": [["w", 3, 9], ["v", 0, 9], ["w", 0, 3]]},
            r"bundles\[0\]: found \('w', 3, 9\), needed no id that is in \('w', 0, 3\)",
        ),
    ],
)
def test_energy_that_cannot_be_is_refused_though_its_hash_is_right(tmp_path, changes, words):
    """Negative or NaN energy in a file turns every later mandate into nonsense."""
    path = tmp_path / "ledger.jsonl"
    path.write_bytes(forged())
    assert batches(path) == ["a"]
    path.write_bytes(forged(**changes))
    with pytest.raises(InvalidProblemError, match=words):
        Ledger.read(path)


def test_a_serial_retired_twice_is_refused_in_a_file_too(tmp_path):
    """One certificate for two claims, put together behind the ledger's back."""
    first = ledger_of("a").entries[0]
    content = {k: v for k, v in dataclasses.asdict(first).items() if k not in ("previous", "hash")}
    second = Entry.after(first.hash, **{**content, "batch": "b"})
    path = tmp_path / "ledger.jsonl"
    path.write_bytes(first.line() + second.line())
    with pytest.raises(InvalidProblemError, match=r"serials\[0\]: certificate GEC-a"):
        Ledger.read(path)
    with pytest.raises(InvalidProblemError, match=r"serials\[0\]: certificate GEC-a"):
        Ledger(entries=(first, second))
    again = Entry.after(first.hash, **{**content, "serials": ()})
    with pytest.raises(InvalidProblemError, match="found 'a' a second time"):
        Ledger(entries=(first, again))


def dated(after, days, batch="b", **changes):
    """A line of some days of June at two sites, all of whose green power has ids of its own."""
    begin, end = (f"2026-06-{day:02}T00:00:00Z" for day in days)
    content = {"batch": batch, "kind": "plan", "sites": ("North", "South"), "serials": ()}
    content |= dict.fromkeys(("load_kwh", "green_kwh", "certificate_kwh"), (0.0, 0.0))
    content |= {"intervals": ((begin, end),), "bundles": ((f"wind {batch}", 0, 99),)}
    return Entry.after(after, **{**content, **changes})


def test_no_hour_of_a_site_and_no_certificate_is_in_two_batches(tmp_path, capsys):
    """One day in two batches counts twice in the mandate, one certificate in two claims."""
    first = dated(GENESIS, (1, 3), "a", bundles=(("wind", 0, 99), ("wind", 200, 299)))
    path = tmp_path / "ledger.jsonl"
    ours = {"bundles": (("wind", 250, 260),)}
    for words, days, changes in (
        (
            r"\[1\]\.intervals: found 2026-06-02.* of 'North', needed a time that batch 'a'",
            (2, 4),
            {},
        ),
        (r"\[1\]\.intervals: .* of 'South'", (1, 2), {"sites": ("East", "South")}),
        (
            r"\[1\]\.bundles\[1\]: found ids 250 to 260 of 'wind', needed none of 200 to 299, "
            "which are used by batch 'a'",
            (3, 4),
            {"bundles": (("wind", 100, 199), *ours["bundles"])},
        ),
        (r"bundles\[0\]: found ids 0 to 300", (3, 4), {"bundles": (("wind", 0, 300),)}),
        (
            r"intervals: found .*, needed .* those of its plan",
            (3, 4),
            {"batch": "a", "kind": "meter"},
        ),
    ):
        second = dated(first.hash, days, **changes)
        with pytest.raises(InvalidProblemError, match=words):
            Ledger(entries=(first, second))
        path.write_bytes(first.line() + second.line())
        with pytest.raises(InvalidProblemError, match=words):
            Ledger.read(path)
        assert cli.run(["ledger", "check", str(path)]) == 1
        assert "ledger repair" in capsys.readouterr().out
        report = Ledger.repair(path)
        assert (report.kept, report.cut_line) == (1, 2)
        assert report.cut_to.read_bytes() == second.line()
        report.cut_to.unlink()
    for days, changes in (
        ((3, 4), {"bundles": (("wind", 100, 199),)}),
        ((1, 3), {"sites": ("East", "West")}),
        ((1, 3), {"batch": "a", "kind": "meter", **ours}),
        ((1, 3), {"intervals": ()}),
    ):
        second = dated(first.hash, days, **changes)
        Ledger(entries=(first, second)).write(path)
        assert Ledger.read(path).entries == (first, second)
        path.unlink()
    # What a meter reading adds is its batch's from then on.
    meter = dated(first.hash, (1, 3), "a", kind="meter", bundles=(("wind", 90, 120),))
    third = dated(meter.hash, (3, 4), "c", bundles=(("wind", 110, 111),))
    with pytest.raises(InvalidProblemError, match="needed none of 0 to 120, which are used by"):
        Ledger(entries=(first, meter, third))


def test_wrong_values_of_a_call_change_nothing():
    """If this fails, a ledger takes what no meter can have said, or letters for certificates."""
    ledger = ledger_of("a")
    nan, two = float("nan"), [10.0, 10.0]
    for load, words in (
        ([nan, 1.0], r"load_kwh\[0\]: found nan"),
        ([1.0, -1e-9], r"load_kwh\[1\]: found -1e-09"),
        ([[1.0, 2.0]], r"load_kwh: found shape \(1, 2\)"),
        (5.0, "load_kwh has 1 values, needed 2"),
    ):
        with pytest.raises(InvalidProblemError, match=words):
            ledger.meter("a", load_kwh=load, green_kwh=[0.0, 0.0])
    for call in (
        lambda: ledger.record(plan("x"), batch=7),
        lambda: ledger.record(plan("x"), batch="b", serials="GEC-7"),
        lambda: ledger.record(plan("x"), batch="b", serials=[7]),
        lambda: ledger.meter("a", load_kwh=["x", "y"], green_kwh=two),
        lambda: Ledger(window=2.0),
        lambda: Ledger(window=True),
        lambda: Ledger(cap_yuan_per_kwh="0.3"),
        lambda: Ledger(entries=("x",)),
    ):
        with pytest.raises(TypeError):
            call()
    with pytest.raises(InvalidProblemError, match=r"green_kwh\[1\]: found 11.0, needed at most"):
        ledger.meter("a", load_kwh=two, green_kwh=[1.0, 11.0])
    with pytest.raises(InvalidProblemError, match=r"plan\.green\.load_kwh\[0\]: found -1"):
        ledger.record(plan("x", load=-1.0), batch="b")
    noise = ledger.record(plan("x", green=-1e-12), batch="b")
    assert noise.entries[-1].green_kwh == (0.0,)


@pytest.mark.parametrize("kind", ["fifo", "device", "folder"])
def test_what_is_no_file_is_refused_and_not_opened(tmp_path, kind):
    """A FIFO in the ledger's place would hold its reader for good."""
    path = tmp_path / "ledger.jsonl"
    if kind == "fifo":
        os.mkfifo(path)
    elif kind == "device":
        path.symlink_to("/dev/zero")
    else:
        path.mkdir()
    code = CHILD + textwrap.dedent(
        """
        ledger = grid.Ledger().record(plan("x"), batch="a")
        for call in (grid.Ledger.read, ledger.write, grid.Ledger.repair):
            try:
                call(sys.argv[1])
            except InvalidProblemError as error:
                assert "needed a regular file" in str(error), error
            else:
                raise AssertionError(call)
        """
    )
    command = [sys.executable, "-c", code, str(path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr


def test_a_file_that_is_not_there_is_what_python_calls_it(tmp_path):
    """A first run asks for FileNotFoundError, and begins a ledger."""
    with pytest.raises(FileNotFoundError):
        Ledger.read(tmp_path / "ledger.jsonl")
    with pytest.raises(FileNotFoundError):
        Ledger().write(tmp_path / "no folder" / "ledger.jsonl")
    assert list(tmp_path.iterdir()) == []
    Ledger().write(tmp_path / "empty.jsonl")
    assert Ledger.read(tmp_path / "empty.jsonl").entries == ()


# ---------------------------------------------------------------- repair

LINES = [entry.line() for entry in ledger_of("a", "b", "c").entries]
FORK = ledger_of("a", "b", "other").entries[2].line()

DAMAGES = {
    # name: what is in the file, batches kept, bytes cut
    "nothing": (b"".join(LINES), "abc", b""),
    "torn tail": (b"".join(LINES)[:-40], "ab", LINES[2][:-40]),
    "torn tail and a later line": (LINES[0] + LINES[1][:50] + LINES[2], "a", None),
    "no last newline": (b"".join(LINES)[:-1], "abc", b""),
    "two lines glued": (LINES[0] + LINES[1][:-1] + LINES[2], "abc", b""),
    "all lines glued": (b"".join(line[:-1] for line in LINES), "abc", b""),
    "two histories": (b"".join(LINES) + FORK, "abc", FORK),
    "zeros of a lost block": (b"".join(LINES) + bytes(512), "abc", bytes(512)),
    "zeros in the middle": (LINES[0] + bytes(9) + b"\n" + LINES[1], "a", None),
    "latin-1": (LINES[0] + "Ürümqi\n".encode("latin-1") + LINES[1], "a", None),
    "an empty line": (LINES[0] + b"\n" + LINES[1], "a", b"\n" + LINES[1]),
    "a line twice": (LINES[0] + LINES[0], "a", LINES[0]),
    "a line missing": (LINES[0] + LINES[2], "a", LINES[2]),
    "a changed number": (LINES[0] + LINES[1].replace(b"[8,", b"[9,") + LINES[2], "a", None),
    "Windows line ends": (b"".join(LINES).replace(b"\n", b"\r\n"), "abc", b""),
    "deep nesting": (LINES[0] + b"[" * 100_000 + b"\n", "a", b"[" * 100_000 + b"\n"),
    "nothing sound": (b"gone\n", "", b"gone\n"),
    "empty": (b"", "", b""),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_a_repair_keeps_what_is_sound_and_every_byte_of_the_rest(tmp_path, name):
    """If this fails, a damaged ledger stays lost, or a repair loses what it does not understand."""
    content, kept, cut = DAMAGES[name]
    path = tmp_path / "ledger.jsonl"
    path.write_bytes(content)
    report = Ledger.repair(path)
    assert batches(path) == list(kept)
    assert report.kept == len(kept)
    others = [p for p in tmp_path.iterdir() if p != path]
    if report.cut_bytes:
        assert others == [report.cut_to]
        behind = report.cut_to.read_bytes()
        assert content.endswith(behind)
        assert len(behind) == report.cut_bytes
        assert content[: -len(behind)] == path.read_bytes()
        assert f"line {len(kept) + 1} on" in str(report)
        assert report.reason
    else:
        assert others == []
        assert content.replace(b"\r", b"").replace(b"\n", b"") == path.read_bytes().replace(
            b"\n", b""
        )
    if cut is not None:
        assert report.cut_bytes == len(cut)
    again = Ledger.repair(path)
    assert (again.changed, again.cut_bytes) == (False, 0)
    assert "nothing to repair" in str(again)
    appended(path, "next")
    assert batches(path) == [*kept, "next"]


def test_a_damaged_file_says_where_and_how_to_repair_it(path):
    """If this fails, the reader of the message does not know that there is a way back."""
    whole = path.read_bytes()
    path.write_bytes(whole[:-40])
    for call in (Ledger.read, ledger_of("a", "b", "c").write):
        with pytest.raises(InvalidProblemError, match=r"line 3: .*gridcompute ledger repair"):
            call(path)
    assert path.read_bytes() == whole[:-40]


def test_a_repair_on_a_full_disk_changes_nothing(tmp_path):
    """If this fails, the repair of a ledger can cost its sound part."""
    with small_disk(tmp_path / "disk", 64) as disk:
        path = disk / "ledger.jsonl"
        damaged = b"".join(LINES) + FORK * 20
        path.write_bytes(damaged)
        fill(disk)
        with pytest.raises(OSError, match="No space left"):
            Ledger.repair(path)
        assert path.read_bytes() == damaged
        assert sorted(p.name for p in disk.iterdir()) == ["ballast", "ledger.jsonl"]
        (disk / "ballast").unlink()
        assert Ledger.repair(path).kept == 3


def test_a_forged_ledger_is_not_valid_rather_than_bad_input(path, capsys):
    """`ledger check` ended with 2, as for a file that is not there."""
    path.write_bytes(path.read_bytes().replace(b"10", b"11", 1))
    assert cli.run(["ledger", "check", str(path)]) == 1
    assert "not sound" in capsys.readouterr().out


def test_the_command_repairs_and_checks(path, capsys):
    """If this fails, an operator needs Python to get a ledger back."""

    def run(*words):
        status = cli.run([str(word) for word in words])
        return status, "".join(capsys.readouterr())

    head = Ledger.read(path).head
    assert run("ledger", "check", path, "--head", head)[0] == 0
    assert run("ledger", "check", path, "--head", "0" * 64)[0] == 1
    path.write_bytes(path.read_bytes()[:-40])
    status, out = run("ledger", "check", path)
    assert (status, out.count("\n")) == (1, 1)
    assert "line 3" in out
    status, out = run("ledger", "check", path, "--json")
    told = json.loads(out)
    assert (status, told["sound"], "line 3" in told["reason"]) == (1, False, True), told
    for no_ledger in (path.parent, path.with_name("none")):
        assert run("ledger", "check", no_ledger)[0] == 2, no_ledger
    status, out = run("ledger", "repair", path)
    assert status == 0
    assert "2 entries kept" in out
    assert "ledger.jsonl.cut-1" in out
    status, out = run("ledger", "check", path)
    assert (status, "2 entries, sound" in out) == (0, True)
    assert run("ledger", "check", path, "--head", head)[0] == 1
    assert run("ledger", "repair", path.with_name("none"))[0] == 2
    assert not path.with_name("none").exists()
