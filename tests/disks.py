"""A disk that is full, for tests of what is left on it: a small tmpfs, or a limit of file sizes."""

import shutil
import subprocess
import sys
from contextlib import contextmanager

import pytest


@contextmanager
def small_disk(folder, kilobytes):
    """A file system of that size in `folder`; skips the test where none may be mounted."""
    folder.mkdir(parents=True, exist_ok=True)
    mount = shutil.which("mount")
    size = f"size={kilobytes}k"
    command = [str(mount), "-t", "tmpfs", "-o", size, "tmpfs", str(folder)]
    if mount is None or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("no file system may be mounted here")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill(folder, leave=0):
    """Fill a disk up to `leave` bytes, by a file called `ballast`."""
    free = shutil.disk_usage(folder).free - leave
    with (folder / "ballast").open("wb") as file:
        while free > 0:
            step = min(free, 1 << 20)
            try:
                file.write(bytes(step))
                file.flush()
            except OSError:
                break
            free -= step


def with_file_limit(code, most, *arguments):
    """Run Python code in a child whose files cannot grow beyond `most` bytes (EFBIG)."""
    head = f"import resource; resource.setrlimit(resource.RLIMIT_FSIZE, ({most}, {most}))\n"
    command = [sys.executable, "-c", head + code, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
