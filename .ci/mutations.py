"""Break the sources in the places that `mutations.toml` lists, one at a time: a test must fail.

`python .ci/mutations.py` tries all; `python .ci/mutations.py src live/` those whose file has one of
these words in its path. `make build` comes first. A copy of the sources in build/mutations is what
changes; of the core the units concerned are compiled, with -O1. A change that no named test notices
is printed, and makes the exit status 1.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
COPY = ROOT / "build" / "mutations"
OBJECTS = COPY / "objects"


def copy_sources() -> None:
    """Copy what git knows, and what was built of it, with the times that builds go by."""
    shutil.rmtree(COPY, ignore_errors=True)
    listed = subprocess.check_output(["git", "ls-files"], cwd=ROOT, text=True).split()
    built = [str(p.relative_to(ROOT)) for p in (ROOT / "src").rglob("*.so")]
    for name in filter(lambda name: (ROOT / name).is_file(), {*listed, *built}):
        (COPY / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, COPY / name)


def compiled(env: dict[str, str]) -> bool:
    """Compile the copy; an error of the compiler means that the change is none."""
    command = [sys.executable, "setup.py", "-q", "build_ext", "--inplace"]
    done = subprocess.run(command, cwd=COPY, env=env, capture_output=True, text=True, check=False)
    if done.returncode:
        print(done.stderr[-2000:])
    return done.returncode == 0


def failing(change: dict[str, str], kept: Path, env: dict[str, str]) -> str:
    """Make a change and run its tests; return the test that failed, "" if none did."""
    path, native = COPY / change["file"], change["file"].startswith("csrc")
    text = path.read_text(encoding="utf-8")
    if text.count(change["before"]) != 1:
        sys.exit(f"{change['file']}: {change['before']!r} is there {text.count(change['before'])}x")
    if native:
        shutil.rmtree(OBJECTS, ignore_errors=True)
        shutil.copytree(kept, OBJECTS)
    times = path.stat().st_atime, path.stat().st_mtime
    path.write_text(text.replace(change["before"], change["after"]), encoding="utf-8")
    try:
        if native and not compiled(env):
            sys.exit(f"{change['file']}: what was changed does not compile")
        command = [
            sys.executable,
            "-m",
            "pytest",
            "-qx",
            "-p",
            "no:cacheprovider",
            "-p",
            "no:xdist",
        ]
        command += [*change["test"].split(), "-o", "faulthandler_exit_on_timeout=true"]
        done = subprocess.run(
            command, cwd=COPY, env=env, capture_output=True, text=True, check=False
        )
    finally:
        path.write_text(text, encoding="utf-8")
        os.utime(path, times)
    lines = [line for line in done.stdout.splitlines() if line.startswith(("FAILED", "ERROR"))]
    ended = "" if done.returncode in (0, 5) else f"exit status {done.returncode}"
    return lines[0].partition(" - ")[0] if lines else ended


def main(words: list[str]) -> int:
    """Try the changes; return 1 if one stays unnoticed."""
    table = tomllib.loads((ROOT / ".ci/mutations.toml").read_text(encoding="utf-8"))["change"]
    chosen = [c for c in table if not words or any(word in c["file"] for word in words)]
    copy_sources()
    env = os.environ | {"PYTHONPATH": str(COPY / "src"), "GRIDCOMPUTE_OBJECTS": "objects"}
    kept = ROOT / os.environ.get("GRIDCOMPUTE_OBJECTS", ".venv/objects")
    unnoticed = 0
    for change in sorted(chosen, key=lambda c: c["file"].startswith("csrc")):
        found = failing(change, kept, env | {"GRIDCOMPUTE_FLAGS": "-O1"})
        unnoticed += not found
        print(f"{change['file']}: {change['why']}\n    {found or 'NOT NOTICED'}", flush=True)
    print(f"{len(chosen)} changes, {unnoticed} not noticed")
    return int(unnoticed > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
