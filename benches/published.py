"""Published data that benches read: what a clone has, and where the rest is to be had.

A clone has `examples/data`. Every other file is listed in published.csv with its address, its
length and its checksum; below a folder given with `--data` it lies where it lies in the repository
that publishes it, so a clone of that repository will do. Files with other checksums are refused.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from collections.abc import Iterable

HERE = Path(__file__).resolve().parent
DATA = HERE.parent / "examples" / "data"


class Parser(argparse.ArgumentParser):
    """A parser whose complaints are one line each."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message} (--help has all arguments)\n")


def listed(folder: str, end: str) -> dict[str, str]:
    """What is published below a folder: names, without folder and end, and where each is."""
    with (HERE / "published.csv").open(newline="") as file:
        rows = [(row["path"], row) for row in csv.DictReader(file)]
    return {
        path.removeprefix(folder).removesuffix(end): (
            f"{row['repository']}/{path}, {int(row['bytes']):,} bytes, sha256 {row['sha256']}"
        )
        for path, row in rows
        if path.startswith(folder) and path.endswith(end)
    }


def find(data: Path, path: str) -> Path:
    """A published file below a folder; ends the program where it is not there or is another one."""
    where, found = listed(path, "")[""], data / path
    if not found.exists():
        sys.exit(f"{Path(sys.argv[0]).name}: {data} has no {path}: get it from {where}")
    digest = hashlib.sha256(found.read_bytes()).hexdigest()
    if not where.endswith(digest):
        sys.exit(f"{Path(sys.argv[0]).name}: {found} has sha256 {digest}, needed is {where}")
    return found


def choose(kind: str, asked: Iterable[str], here: Iterable[str], rest: dict[str, str]) -> list[str]:
    """The cells asked for, by default all that are here; ends the program at an unknown one."""
    here, asked = list(here), list(asked)
    if wrong := [name for name in asked if name not in here and name not in rest]:
        elsewhere = sorted(set(rest) - set(here))
        sys.exit(
            f"{Path(sys.argv[0]).name}: no {kind} {', '.join(wrong)}: here are {', '.join(here)}; "
            f"{', '.join(elsewhere)} can be had (benches/published.csv)"
        )
    return asked or here
