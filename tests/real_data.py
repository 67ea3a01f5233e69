"""Published data: a few megabytes in examples/data, larger packs beside the project, if any."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
#: What every clone has, with its sources in SOURCE.md.
EXAMPLES = ROOT / "examples" / "data"
#: Folders that hold data by the same names, the first that has a file is read.
FOLDERS = (EXAMPLES, ROOT.parent / "shared" / "data")


def find(name):
    """The path of a file by its name below those folders; the first one's where none has it."""
    return next((f / name for f in FOLDERS if (f / name).exists()), FOLDERS[0] / name)


def here(*names):
    """Are all these files here?"""
    return all(find(name).exists() for name in names)


def with_data(*names):
    """Keep a test only where the files of a larger pack are; elsewhere there is no such test."""
    return lambda test: test if here(*names) else None


def library_file(name):
    """The file of an assignment problem of OR-Library, plain or gzip; None where it is not here."""
    found = [find(f"solver/orlib_assign/{name}.txt{end}") for end in ("", ".gz")]
    return next((path for path in found if path.exists()), None)
