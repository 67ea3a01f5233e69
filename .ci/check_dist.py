"""Build the sdist and the wheel from it; look inside; use the wheel where no source is near.

Objects that `make build` has compiled are taken as they are where the sdist's sources and headers
are no newer: the same files, flags and compiler. What the sdist lacks is found by name.
"""

import os
import subprocess
import sys
import tarfile
import tempfile
import venv
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SOURCES = {".cpp", ".hpp", ".pyx", ".pxd", ".c", ".o", ".d"}

ONLY_NUMPY = """
from importlib.metadata import distributions

brought = {d.metadata["Name"] for d in distributions()} - {"pip", "setuptools"}
assert brought == {"gridcompute", "numpy"}, f"the wheel brings {brought}"
"""

TINY = """
import numpy as np
import gridcompute as gc

found = gc.transport(np.array([[1, 5], [2, 3], [4, 1]]), np.array([1, 2]))
assert found.objective == 5 and found.exact and found.verify().valid, found
print("the wheel works:", gc.__file__)
"""


def run(*command: str | Path, cwd: Path, **more: str) -> None:
    """Run a command without what this environment would add to its imports; its failure is ours."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "VIRTUAL_ENV"))}
    subprocess.run([str(c) for c in command], cwd=cwd, env={**clean, **more}, check=True)


def built(folder: Path, pattern: str) -> Path:
    """The one file in `folder` of this pattern."""
    (path,) = folder.glob(pattern)
    return path


def sources(folder: Path) -> list[Path]:
    """The files of a folder, without what a build or a run has left there."""
    left = {"_build", "_figures", "generated", "__pycache__"}
    left |= {".pytest_cache", ".hypothesis", ".benchmarks"}
    files = [p for p in folder.rglob("*") if p.is_file() and not left & set(p.parts)]
    return [p for p in files if p.suffix not in {".so", ".c"} and "egg-info" not in str(p)]


def check_sdist(path: Path) -> None:
    """The sdist carries every source a build or a test needs, as it is here."""
    with tarfile.open(path) as archive:
        packed = {m.name.partition("/")[2]: archive.extractfile(m) for m in archive if m.isfile()}
        there = {name: file.read() for name, file in packed.items() if file}
    folders = ("csrc", "src", "tests", "docs", "benches", "examples")
    needed = {str(p.relative_to(ROOT)) for f in folders for p in sources(ROOT / f)}
    needed |= {"Makefile", "README.md", "CHANGELOG.md", "CONTRIBUTING.md", "LICENSE", "setup.py"}
    if missing := sorted(needed - set(there)):
        sys.exit(f"{path.name} lacks {missing}: see MANIFEST.in")
    if changed := sorted(name for name in needed if (ROOT / name).read_bytes() != there[name]):
        sys.exit(f"{path.name} has other contents of {changed}")


def check_wheel(path: Path) -> None:
    """The wheel carries both native modules, all else of the package, and no native source."""
    names = set(zipfile.ZipFile(path).namelist())
    if extra := sorted(n for n in names if Path(n).suffix in SOURCES):
        sys.exit(f"{path.name} carries {extra}")
    modules = {Path(n).name.partition(".")[0] for n in names if n.endswith(".so")}
    if modules != {"_core", "_ingest", "_interner"}:
        sys.exit(f"{path.name} carries {sorted(modules)}, not _core, _ingest and _interner")
    with zipfile.ZipFile(path) as wheel:
        if heavy := sorted(
            n for n in names if n.endswith(".so") and b".debug_info" in wheel.read(n)
        ):
            sys.exit(f"{path.name} ships debug information in {heavy}: see FLAGS in setup.py")
    package = {str(p.relative_to(ROOT / "src")) for p in sources(ROOT / "src" / "gridcompute")}
    if missing := sorted(n for n in package - names if Path(n).suffix not in SOURCES):
        sys.exit(f"{path.name} lacks {missing}: see package-data in pyproject.toml")


def main() -> None:
    """Build, look, install, use."""
    with tempfile.TemporaryDirectory() as scratch:
        dist, clean, elsewhere = (Path(scratch, name) for name in ("dist", "venv", "elsewhere"))
        elsewhere.mkdir()
        build = (sys.executable, "-m", "build", "--quiet", "--outdir", dist, ROOT)
        run(*build, cwd=ROOT, GRIDCOMPUTE_OBJECTS=str(Path(sys.prefix, "objects")))
        check_sdist(built(dist, "*.tar.gz"))
        check_wheel(built(dist, "*.whl"))
        venv.create(clean, with_pip=True)
        python = clean / "bin" / "python"
        wheel = built(dist, "*.whl")
        run(python, "-m", "pip", "install", "--quiet", wheel, cwd=elsewhere)
        run(python, "-c", ONLY_NUMPY, cwd=elsewhere)
        run(python, "-c", TINY, cwd=elsewhere)
        # What an ImportError says: it works where gridcompute is on no index, as it is installed.
        run(python, "-m", "pip", "install", "--quiet", "gridcompute[all]", cwd=elsewhere)
        run(clean / "bin" / "gridcompute", "demo", "--jobs", "300", cwd=elsewhere)


if __name__ == "__main__":
    main()
