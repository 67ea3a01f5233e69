"""Malformed folders of plans: what may be wrong with plan.json and plan.npz."""

import json
import warnings
import zipfile

import numpy as np

from malformed import a_folder, edited, fifo, linked, removed, text


def number(name, value):
    """Set a value of plan.json."""

    def damage(folder):
        path = folder / "plan.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | {name: value}))

    return damage


def arrays(change):
    """Write other arrays into plan.npz."""

    def damage(folder):
        path = folder / "plan.npz"
        with np.load(path) as stored:
            found = dict(stored)
        change(found)
        np.savez_compressed(path, **found)

    return damage


def array(name, change):
    return arrays(lambda found: found.update({name: change(found[name])}))


def member(name, content, compression=zipfile.ZIP_DEFLATED):
    """Replace one array's bytes, header and all."""

    def damage(folder):
        path = folder / "plan.npz"
        with zipfile.ZipFile(path) as file:
            found = {info.filename: file.read(info) for info in file.infolist()}
        found[f"{name}.npy"] = content
        with zipfile.ZipFile(path, "w", compression) as file:
            for one, data in found.items():
                file.writestr(one, data)

    return damage


def header(shape, descr="'<i4'"):
    """The head of an array that claims a shape."""
    words = f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}}}".encode()
    return b"\x93NUMPY\x01\x00" + len(words).to_bytes(2, "little") + words


def twice(folder):
    """The same array a second time, as an archive allows."""
    path = folder / "plan.npz"
    with warnings.catch_warnings(), zipfile.ZipFile(path, "a") as file:
        warnings.simplefilter("ignore")
        file.writestr("start.npy", file.read("start.npy"))


def cut(name, keep):
    def damage(folder):
        data = (folder / name).read_bytes()
        (folder / name).write_bytes(data[: int(len(data) * keep)])

    return damage


def flipped(folder):
    """A bit within the compressed values."""
    data = bytearray((folder / "plan.npz").read_bytes())
    data[120] ^= 4
    (folder / "plan.npz").write_bytes(data)


NUMBERS = "objective_yuan, bound_yuan, priced_bound_yuan, without_option_yuan, "
NUMBERS += "gap, status, version, stats"

PLANS = {
    "no plan.json": (removed("plan.json"), ["has no plan.json: not the folder of a plan"]),
    "no plan.npz": (removed("plan.npz"), ["has no plan.npz: not the folder of a plan"]),
    "no problem": (removed("problem/problem.json"), ["problem.json is not there"]),
    "plan.json empty": (text("plan.json", ""), ["plan.json: not JSON: "]),
    "plan.json cut short": (cut("plan.json", 0.5), ["plan.json: not JSON: "]),
    "plan.json an array": (text("plan.json", "[]"), ["plan.json: found a list, needed an object"]),
    "plan.json deep": (text("plan.json", "[" * 10**6), ["plan.json: found values nested too deep"]),
    "plan.json a FIFO": (fifo("plan.json"), ["plan.json: found a FIFO, needed a regular file"]),
    "a number less": (
        edited("plan.json", "bound_yuan", "bound"),
        ["plan.json: found unknown key 'bound', needed 'bound_yuan', or one of", NUMBERS],
    ),
    "nothing in it": (text("plan.json", "{}"), ["plan.json: found no 'objective_yuan'"]),
    "a number as text": (number("bound_yuan", "7"), ["plan.json: bound_yuan: found '7', needed"]),
    "a number null": (number("objective_yuan", None), ["objective_yuan: found None, needed"]),
    "a number true": (number("objective_yuan", True), ["objective_yuan: found True, needed"]),
    "a number too large": (number("bound_yuan", 10**400), ["plan.json: found", "1.8e308"]),
    "status": (number("status", "fine"), ["plan.json: plan.status is 'fine', needed one of"]),
    "status a number": (number("status", 1), ["plan.json: status: found 1, needed text"]),
    "stats": (number("stats", []), ["plan.json: stats: found [], needed an object"]),
    "plan.npz empty": (text("plan.npz", ""), ["plan.npz: found", "needed a .npz file"]),
    "plan.npz text": (text("plan.npz", "hello"), ["plan.npz: found", "needed a .npz file"]),
    "plan.npz cut short": (cut("plan.npz", 0.9), ["plan.npz: found", "needed a .npz file"]),
    "plan.npz a FIFO": (fifo("plan.npz"), ["plan.npz: found a FIFO, needed a regular file"]),
    "plan.npz a device": (linked("plan.npz", "/dev/zero"), ["plan.npz: found a device"]),
    "plan.npz a folder": (a_folder("plan.npz"), ["plan.npz: found a folder"]),
    "a bit flipped": (flipped, ["plan.npz: "]),
    "an array less": (
        arrays(lambda found: found.pop("start")),
        ["plan.npz: found no array 'start', needed one"],
    ),
    "an unknown array": (
        arrays(lambda found: found.update(extra=np.zeros(3))),
        ["plan.npz: found array 'extra', needed assignment, start, dispatch.direct_kwh"],
    ),
    "an array of another type": (
        array("assignment", lambda a: a.astype(np.int64)),
        ["plan.npz: assignment: found int64 (4,), needed int32 (4,)"],
    ),
    "an array of another shape": (
        array("dispatch.grid_kwh", lambda a: a.T),
        ["plan.npz: dispatch.grid_kwh: found float64 (3, 2), needed float64 (2, 3)"],
    ),
    "an array too short": (
        array("start", lambda a: a[:-1]),
        ["plan.npz: start: found int32 (3,), needed int32 (4,)"],
    ),
    "a NaN": (
        array("dispatch.grid_kwh", lambda a: a * np.nan),
        ["plan.npz: dispatch.grid_kwh[0, 0] is nan, needed a finite number"],
    ),
    "a negative price": (
        array("prices.capacity", lambda a: a - 1e9),
        ["plan.npz: prices.capacity[0, 0] is -"],
    ),
    "objects": (
        array("start", lambda a: a.astype(object)),
        ["plan.npz: start: found", "needed int32 (4,)"],
    ),
    "a claim of terabytes": (
        member("start", header("(1000000000000,)") + bytes(16)),
        ["plan.npz: start: found int32 (1000000000000,), needed int32 (4,)"],
    ),
    "a negative shape": (member("start", header("(-4,)") + bytes(16)), ["plan.npz: start: found"]),
    "a bomb": (
        member("start", header("(4,)") + bytes(100_000_000)),
        ["plan.npz: start: found 100000", "bytes, needed int32 (4,)"],
    ),
    "no header": (member("start", b"hello"), ["plan.npz: found", "needed a .npz file"]),
    "a header of code": (
        member("start", header("(4,)", "__import__('os').getpid()") + bytes(16)),
        ["plan.npz: found", "needed a .npz file"],
    ),
    "a header of brackets": (
        member("start", header("(" * 5000 + "4" + ")" * 5000) + bytes(16)),
        ["plan.npz: found", "needed a .npz file"],
    ),
    "values too few": (
        member("start", header("(4,)") + bytes(12)),
        ["plan.npz: start: found 12 bytes of values, needed 16"],
    ),
    "an array twice": (twice, ["plan.npz: found array 'start' twice, needed assignment, start"]),
}
