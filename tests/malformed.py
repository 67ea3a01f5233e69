"""Malformed folders of problems: a sound one of two sites, and what may be wrong with it.

Each case is a function that damages the folder it is given, and the words that the one line of the
error must have: the file, the column or key, the row, what was found and what was needed.
"""

import dataclasses
import json
import os
from typing import TYPE_CHECKING

import numpy as np

from gridcompute import grid
from gridcompute.grid.plan.ledger_entry import Entry

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Damage = Callable[[Path], object]

HOURS = 3


def sound():
    """Two sites, three classes, two families, three hours, four jobs, a ledger of one batch."""
    sites = grid.Sites(name=np.array(["North", "South"]), new=np.array([True, False]))
    ledger = grid.Ledger()
    entry = Entry.after(
        ledger.head,
        batch="monday",
        kind="plan",
        sites=("North", "South"),
        load_kwh=(5.0, 5.0),
        green_kwh=(4.0, 1.0),
        certificate_kwh=(0.0, 0.0),
        serials=("GEC-1",),
        intervals=(),
        bundles=(),
    )
    return grid.Problem(
        jobs=grid.Jobs(
            gang=np.array([1, 2, 1, 1]),
            work_h=np.array([1.0, 2.0, 1.5, 0.5]),
            family=np.array([0, 1, 0, 1]),
            origin=np.array([0, 1, 1, 0]),
            deadline=np.array([3, 3, 3, 2]),
            value_yuan=np.array([20.0, 50.0, 20.0, 9.0]),
        ),
        sites=sites,
        classes=grid.Classes(
            site=np.array([0, 0, 1]),
            accelerator=np.array([0, 1, 0]),
            accelerator_names=("A800", "H20"),
            family_names=("training", "inference"),
            capacity=np.full((3, HOURS), 4),
            memory_gb=80.0,
            power_kw=0.4,
            throughput=np.ones((2, 3)),
        ),
        hours=HOURS,
        energy=grid.Energy(
            source_names=("sun",),
            direct_kwh=np.ones((1, 2, HOURS)),
            tariff_yuan_per_kwh=np.array([0.4, 0.6]),
        ),
        corridors=grid.Corridors(
            delay_ms=np.array([[0.0, 12.0], [12.0, 0.0]]),
            bandwidth_gb=np.full((2, 2, HOURS), 900.0),
        ),
        quotas=grid.Quotas.unlimited(1),
        mandate=grid.Mandate(share=0.5, ledger=grid.Ledger(entries=(entry,))),
        name="sound",
    )


def small():
    """Four jobs, one in pieces, one left out; a battery; a bound that only a search proves."""
    problem = sound()
    jobs = problem.jobs.replace(
        interruptible=[True, False, True, False],
        deadline=[3, 3, 3, 3],
        data_gb=[10.0, 5.0, 3.0, 2.0],
        value_yuan=[20.0, 50.0, 20.0, 0.01],
    )
    energy = problem.energy.replace(
        battery_kwh=[4.0, 0.0],
        battery_kw=[2.0, 0.0],
        base_load_kwh=np.array([[1.0, 2.0, 0.5], [0.7, 0.3, 1.0]]),
        tariff_yuan_per_kwh=np.array([[0.4, 0.9, 0.2], [0.6, 0.5, 0.8]]),
        direct_kwh=np.array([[[2.0, 0.0, 1.5], [0.0, 1.0, 0.2]]]),
    )
    mandate = dataclasses.replace(problem.mandate, share=0.8)
    return problem.replace(jobs=jobs, energy=energy, mandate=mandate)


# ---------------------------------------------------------------- problem.json


def text(name, content):
    """Replace a file's content."""

    def damage(folder):
        (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())

    return damage


def setting(path, value):
    """Set a value of problem.json, its place written with points."""

    def damage(folder):
        file = folder / "problem.json"
        content = json.loads(file.read_text())
        at = content
        *parts, last = path.split(".")
        for part in parts:
            at = at.setdefault(part, {})
        at[last] = value
        file.write_text(json.dumps(content))

    return damage


def without(key):
    def damage(folder):
        file = folder / "problem.json"
        content = json.loads(file.read_text())
        del content[key]
        file.write_text(json.dumps(content))

    return damage


def renamed(key, other):
    """Spell a key of problem.json another way."""

    def damage(folder):
        file = folder / "problem.json"
        file.write_text(file.read_text().replace(f'"{key}"', f'"{other}"', 1))

    return damage


def edited(name, old, new):
    """Replace a text in a file, which must be there."""

    def damage(folder):
        content = (folder / name).read_text()
        assert old in content, (old, content)
        (folder / name).write_text(content.replace(old, new, 1))

    return damage


def recoded(name, encoding, old="", new=""):
    """Write a file in another encoding."""

    def damage(folder):
        content = (folder / name).read_text().replace(old, new)
        (folder / name).write_bytes(content.encode(encoding))

    return damage


def removed(name):
    return lambda folder: (folder / name).unlink()


def fifo(name):
    """A FIFO in a file's place: whoever opens it waits for its other end."""

    def damage(folder):
        (folder / name).unlink(missing_ok=True)
        os.mkfifo(folder / name)

    return damage


def linked(name, to):
    def damage(folder):
        (folder / name).unlink(missing_ok=True)
        (folder / name).symlink_to(to)

    return damage


def a_folder(name):
    def damage(folder):
        (folder / name).unlink()
        (folder / name).mkdir()

    return damage


def ledger_outside(folder):
    """problem.json names a link in its folder that leads out of it."""
    outside = folder.parent / "outside.jsonl"
    outside.write_bytes((folder / "ledger.jsonl").read_bytes())
    (folder / "ledger.jsonl").unlink()
    (folder / "ledger.jsonl").symlink_to(outside)


def then(*damages):
    def damage(folder):
        for one in damages:
            one(folder)

    return damage


KNOWN = (
    "name, hours, step_h, start, sources, sites, classes, energy, corridors, mandate, "
    "direct_rule, ledger"
)

SETTINGS = {
    "no problem.json": (removed("problem.json"), ["problem.json is not there"]),
    "empty": (text("problem.json", ""), ["problem.json: not JSON: "]),
    "cut short": (text("problem.json", '{"hours": 3'), ["problem.json: not JSON: "]),
    "an array": (text("problem.json", "[1]"), ["found a list, needed an object"]),
    "a number": (text("problem.json", "3"), ["found a int, needed an object"]),
    "latin-1": (
        recoded("problem.json", "latin-1", "sound", "söund"),
        ["problem.json: found 0xf6", "needed UTF-8"],
    ),
    "UTF-16": (recoded("problem.json", "utf-16"), ["problem.json: found 0xff at byte 0"]),
    "zeros": (text("problem.json", bytes(100)), ["problem.json: not JSON: "]),
    "deep nesting": (text("problem.json", "[" * 10**6), ["nested too deep", "needed JSON"]),
    "deep objects": (text("problem.json", '{"name":' * 10**5), ["nested too deep"]),
    "too large": (text("problem.json", b" " * (1 << 24) + b"{}"), ["found 16777218 bytes"]),
    "NaN": (
        edited("problem.json", '"share": 0.5', '"share": NaN'),
        ["found NaN is no number of JSON, needed JSON; line "],
    ),
    "a key twice": (
        edited("problem.json", '"hours": 3', '"hours": 3, "hours": 4'),
        ["problem.json: found key 'hours' twice in one object, needed JSON; it stands in line 3"],
    ),
    "a key twice, far apart": (
        edited("problem.json", "{", '{\n"mandate": {"share": 0.0},'),
        ["problem.json: found key 'mandate' twice in one object", "; it stands in lines 2, "],
    ),
    "a mandate twice": (
        edited("problem.json", '"share": 0.5', '"share": 0.5, "share": 0.0'),
        ["problem.json: found key 'share' twice"],
    ),
    "half a character": (setting("name", "\ud800"), ["unpaired surrogate", "problem.json"]),
    "mandat": (renamed("mandate", "mandat"), ["unknown key 'mandat', needed 'mandate', or", KNOWN]),
    "Mandate": (renamed("mandate", "Mandate"), ["unknown key 'Mandate', needed 'mandate', or"]),
    "direct rule": (renamed("direct_rule", "direct-rule"), ["'direct-rule', needed 'direct_rule'"]),
    "a stranger": (setting("xyz", 1), ["problem.json: found unknown key 'xyz', needed one of nam"]),
    "a start of text": (setting("start", "soon"), ["problem.json: start is 'soon', needed a time"]),
    "a start of a number": (
        setting("start", 20260301),
        ["problem.json: start must be a datetime or ISO 8601 text"],
    ),
    "a start of no zone": (
        setting("start", "2026-03-01[Mars/X]"),
        ["problem.json: start is '2026"],
    ),
    "sources of text": (
        setting("sources", "NEA"),
        ["problem.json: sources: found 'NEA', needed a"],
    ),
    "a source of one text": (
        setting("sources", [["tariff", "NEA"], ["carbon"]]),
        ["problem.json: sources[1]: found ['carbon'], needed a figure and its source"],
    ),
    "a region's name twice": (
        setting("sites.region_names", ["west", "west"]),
        ["problem.json: sites.region_names: found 'west' twice"],
    ),
    "certificates kept and sold": (
        setting("energy.exported_certificates", "both"),
        ["problem.json: energy.exported_certificates is 'both', needed one of"],
    ),
    "no hours": (without("hours"), ["problem.json: hours: found None, needed an integer >= 1"]),
    "hours as text": (setting("hours", "3"), ["hours: found '3', needed an integer"]),
    "hours broken": (setting("hours", 3.0), ["hours: found 3.0, needed an integer"]),
    "hours true": (setting("hours", True), ["hours: found True, needed an integer"]),
    "no hour": (setting("hours", 0), ["hours: found 0, needed an integer >= 1"]),
    "other hours": (setting("hours", 4), ["classes.csv", "capacity", "(3, 3)", "needed 4"]),
    "hours of a bomb": (setting("hours", 10**12), ["1000000000000", "values of", "needed at most"]),
    "hours of 5000 digits": (
        edited("problem.json", '"hours": 3', '"hours": ' + "3" * 5000),
        ["problem.json: found an integer of more than 4300 digits, needed fewer"],
    ),
    "a comment": (
        edited("problem.json", "{", "// my problem\n{"),
        ["problem.json: not JSON: Expecting value: line 1 column 1"],
    ),
    "a comma too many": (
        edited("problem.json", "}", ",}"),
        ["problem.json: not JSON: ", ": line "],  # Python 3.13 words it in another way
    ),
    "hours with an exponent": (setting("hours", 1e3), ["hours: found 1000.0, needed an integer"]),
    "a step in minutes": (
        setting("step_h", 15),
        ["problem.json: step_h is 15, needed a number of hours from 1/60 to 1"],
    ),
    "another name for it": (
        lambda folder: (folder / "problem.json").rename(folder / "problem.yaml"),
        ["problem.json is not there, needed a file"],
    ),
    "name null": (setting("name", None), ["problem.json: name: found None, needed text"]),
    "name a number": (setting("name", 7), ["problem.json: name: found 7, needed text"]),
    "mandate a number": (setting("mandate", 0.8), ["mandate: found 0.8, needed an object"]),
    "mandate null": (setting("mandate", None), ["mandate: found None, needed an object"]),
    "shar": (setting("mandate.shar", 0.8), ["mandate: found unknown key 'shar', needed 'share'"]),
    "share as text": (setting("mandate.share", "80%"), ["problem.json: mandate.share", "'80%'"]),
    "share above 1": (setting("mandate.share", 80), ["problem.json: mandate.share", "80"]),
    "scope": (setting("mandate.scope", "country"), ["problem.json: mandate.scope", "country"]),
    "rule": (setting("mandate.rule", 5), ["problem.json: mandate.rule", "5"]),
    "price": (
        setting("mandate.shortfall_yuan_per_kwh", -1),
        ["problem.json: mandate.shortfall_yuan_per_kwh", "-1"],
    ),
    "new too short": (setting("mandate.new", [True]), ["mandate.new", "1 values", "needed 2"]),
    "new of numbers": (setting("mandate.new", [1, 0]), ["problem.json: mandate.new"]),
    "direct rule's share": (setting("direct_rule.used", "x"), ["problem.json: direct_rule.used"]),
    "direct rule's sites": (setting("direct_rule.sites", [True] * 3), ["direct_rule.sites"]),
    "names as text": (
        setting("classes.accelerator_names", "A800"),
        ["classes.accelerator_names: found 'A800', needed a list of texts"],
    ),
    "names of numbers": (setting("classes.family_names", [1, 2]), ["needed a list of texts"]),
    "names twice": (
        setting("classes.family_names", ["a", "a"]),
        ["classes.family_names: found 'a' twice, needed each name once"],
    ),
    "names too few": (
        setting("classes.family_names", ["a"]),
        ["problem.json: classes.family_names has 1 names, needed 2"],
    ),
    "accelerators too few": (
        setting("classes.accelerator_names", ["A800"]),
        ["classes.csv: classes.accelerator[1] is 1, needed below 1"],
    ),
    "sources too many": (setting("energy.source_names", ["sun", "wind"]), ["source_names", "2"]),
    "terminal": (setting("energy.terminal", "open"), ["problem.json: energy.terminal is 'open'"]),
    "carbon": (setting("energy.carbon_yuan_per_t", "60"), ["problem.json: energy.carbon", "'60'"]),
    "certificate": (setting("energy.certificate_yuan_per_kwh", [1]), ["problem.json: energy.cert"]),
    "latency": (setting("corridors.latency_rule", "both"), ["corridors.latency_rule is 'both'"]),
    "problem.json a FIFO": (fifo("problem.json"), ["problem.json: found a FIFO, needed a regular"]),
    "problem.json a device": (linked("problem.json", "/dev/zero"), ["found a device"]),
    "problem.json a folder": (a_folder("problem.json"), ["problem.json: found a folder"]),
}

# ---------------------------------------------------------------- the ledger

LEDGER = {
    "a number": (setting("ledger", 7), ["ledger: found 7, needed an object"]),
    "without path": (setting("ledger", {}), ["ledger.path: found None, needed the path of a file"]),
    "path a number": (setting("ledger.path", 7), ["ledger.path: found 7"]),
    "path empty": (setting("ledger.path", ""), ["ledger.path: found ''"]),
    "path the folder": (setting("ledger.path", "."), ["ledger.path: found '.'"]),
    "path with a NUL": (setting("ledger.path", "a\0b"), ["ledger.path: found 'a\\x00b'"]),
    "path not there": (
        setting("ledger.path", "x.jsonl"),
        ["x.jsonl is not there, needed a"],
    ),
    "path absolute": (setting("ledger.path", "/etc/passwd"), ["found '/etc/passwd'", "--ledger"]),
    "path of a device": (setting("ledger.path", "/dev/zero"), ["ledger.path: found '/dev/zero'"]),
    "path upwards": (setting("ledger.path", "../x.jsonl"), ["found '../x.jsonl'", "--ledger"]),
    "path in and out": (setting("ledger.path", "a/../../b"), ["found 'a/../../b'"]),
    "a link that leads out": (ledger_outside, ["ledger.path: found 'ledger.jsonl', needed"]),
    "a link to a device": (linked("ledger.jsonl", "/dev/zero"), ["ledger.path: found"]),
    "a FIFO": (fifo("ledger.jsonl"), ["ledger.jsonl: found a FIFO, needed a regular file"]),
    "a folder": (a_folder("ledger.jsonl"), ["ledger.jsonl: found a folder, needed a regular"]),
    "an unknown policy": (setting("ledger.windw", 5), ["unknown key 'windw', needed 'window'"]),
    "window 0": (setting("ledger.window", 0), ["ledger.window: found 0, needed 1"]),
    "window as text": (setting("ledger.window", "5"), ["problem.json: ledger.window must be"]),
    "cap": (setting("ledger.cap_yuan_per_kwh", -1), ["ledger.cap_yuan_per_kwh: found -1"]),
    "torn": (
        lambda f: (f / "ledger.jsonl").write_bytes((f / "ledger.jsonl").read_bytes()[:-9]),
        ["ledger.jsonl line 1: not JSON", "gridcompute ledger repair"],
    ),
    "changed": (edited("ledger.jsonl", "[4,1]", "[4,2]"), ["ledger.jsonl[0] was changed"]),
    "of another encoding": (
        lambda f: (f / "ledger.jsonl").write_bytes(b'{"batch":"\xfc"}\n'),
        ["ledger.jsonl line 1: found 0xfc", "needed UTF-8"],
    ),
}
