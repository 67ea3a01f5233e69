"""Folders written whole: a new one is complete on the disk before it takes an old one's place.

Whatever fails on the way - a full disk, a signal, an error - leaves the old folder as it was. A
list of what was written, `written.json`, goes with each folder; a folder is replaced only if it
holds what that list says and nothing else, so that no other file is lost, nor one edited since.
"""

from __future__ import annotations

import contextlib
import ctypes
import dataclasses
import errno
import hashlib
import json
import os
import secrets
import shutil
import stat
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..._files import sync_folder
from ...errors import InvalidProblemError
from .json_text import parse
from .table_files import read_bytes

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator


#: The list of what was written, by file its SHA-256.
LIST = "written.json"
_MOST_LIST_BYTES = 1 << 20
#: A temporary folder that is older, and whose lock no process holds, was left by a killed process.
_STALE_S = 60.0


def check_target(target: str | Path, kind: str, *, spare: Collection[str] = ()) -> None:
    """Raise if `replacing` would refuse the target, or if nothing can be written there.

    Parameters
    ----------
    target : path
        A folder, which need not be there.
    kind : str
        What `replacing` will write, such as "plan".
    spare : collection of str
        Files that the caller takes care of, as paths within the target.
    """
    place = _Place.of(target)
    _require_ours(place.target, kind, spare)
    with place.temporary():
        pass


@contextlib.contextmanager
def replacing(target: str | Path, kind: str, *, spare: Collection[str] = ()) -> Iterator[Path]:
    """Yield an empty folder to fill; at the end of the block it takes the target's place at once.

    Parameters
    ----------
    target : path
        A folder that is not there, is empty, or holds only what was written as `kind` by an earlier
        call and not changed since.
    kind : str
        What the folder will hold, such as "plan".
    spare : collection of str
        Files of the target that may differ from its list, as paths within it: the caller has copied
        what they hold.

    Raises
    ------
    InvalidProblemError
        The target holds anything else.
    OSError
        It cannot be written.

    Notes
    -----
    Everything is brought to the disk first. Then the new folder and the old one change places in
    one step, and the old one is removed. Where the target cannot be renamed - a mount point, the
    working folder, a parent without write permission - its files are exchanged one by one: a
    process killed at that moment leaves some of each.
    """
    place = _Place.of(target)
    _require_ours(place.target, kind, spare)
    with place.temporary() as work:
        yield work
        files = {name: _digest(work / name) for name in _files(work)}
        listed = {"kind": kind, "files": files}
        (work / LIST).write_text(json.dumps(listed, indent=1) + "\n", encoding="utf-8")
        _sync(work)
        if place.target.exists():
            work.chmod(stat.S_IMODE(place.target.stat().st_mode))
            _require_ours(place.target, kind, spare)
        place.exchange(work)


@dataclasses.dataclass(frozen=True)
class _Place:
    """The final path of a folder, links resolved, and the steps to put it there."""

    target: Path
    #: Whether the folder itself stays and its entries are exchanged.
    inside: bool

    @classmethod
    def of(cls, target: str | Path) -> _Place:
        path = Path(os.path.realpath(target))
        above = next(parent for parent in path.parents if parent.exists())
        if not above.is_dir():
            message = f"{target}: {above} is a file, needed a folder"
            raise InvalidProblemError(message, "folder")
        if not path.exists():
            return cls(path, inside=False)
        if not path.is_dir():
            message = f"{target}: found a file, needed a folder or a name that is free"
            raise InvalidProblemError(message, "folder")
        fixed = (
            path.is_mount()
            or not os.access(path.parent, os.W_OK | os.X_OK)
            or path.stat().st_dev != path.parent.stat().st_dev
            or _is_working_folder(path)
        )
        return cls(path, inside=fixed)

    @contextlib.contextmanager
    def temporary(self) -> Iterator[Path]:
        """Yield an empty folder beside the target (or in it), removed in the end if still there."""
        home = self.target if self.inside else self.target.parent
        made = [folder for folder in (home, *home.parents) if not folder.exists()]
        work = home / f"{_prefix(self.target)}{secrets.token_hex(6)}.new"
        try:
            home.mkdir(parents=True, exist_ok=True)
            self._remove_stale(home)
            work.mkdir()
            with _locked(work):
                yield work
        except BaseException:
            shutil.rmtree(work, ignore_errors=True)
            for folder in made:
                with contextlib.suppress(OSError):  # others have begun to use it
                    folder.rmdir()
            raise
        shutil.rmtree(work, ignore_errors=True)
        if not self.target.exists():  # nothing was written, so its parents are not needed
            for folder in made:
                with contextlib.suppress(OSError):
                    folder.rmdir()

    def exchange(self, work: Path) -> None:
        """Put `work` into the target's place; what was there is then where `work` was, or gone."""
        if self.inside:
            _exchange_entries(self.target, work)
        elif not self.target.exists() or not any(self.target.iterdir()):
            work.rename(self.target)  # over an empty folder as well
        elif not _exchange_names(work, self.target):
            old = work.with_suffix(".old")
            self.target.rename(old)
            try:
                work.rename(self.target)
            except BaseException:
                old.rename(self.target)
                raise
            old.rename(work)
        sync_folder(self.target if self.inside else self.target.parent)

    def _remove_stale(self, home: Path) -> None:
        for entry in home.iterdir():
            mine = entry.name.startswith(_prefix(self.target)) and entry.name.endswith(".new")
            with contextlib.suppress(OSError):
                if mine and time.time() - entry.stat().st_mtime > _STALE_S:
                    with _locked(entry):
                        shutil.rmtree(entry, ignore_errors=True)


def written_files(folder: Path) -> dict[str, str]:
    """Return the files that a folder's list has, with their digests; none where it has no list."""
    files = _list(folder).get("files")
    return files if isinstance(files, dict) else {}


def changes(folder: Path, *, spare: Collection[str] = ()) -> Iterator[tuple[str, str]]:
    """Yield each file of a folder that is not as its list says: its path within it, and why.

    Parameters
    ----------
    folder : Path
    spare : collection of str
        Files that may differ.
    """
    listed = written_files(folder)
    listed = {LIST: "", **listed} if listed else {}
    for name in _files(folder):
        path = folder / name
        if name in spare:
            continue
        if name not in listed:
            yield name, "which was not written as a part of it"
        elif path.is_symlink() or not path.is_file():
            yield name, "which was a file when it was written"
        elif name != LIST and _digest(path) != listed[name]:
            yield name, "which has been changed since it was written"


def written_as(folder: Path) -> object:
    """Return what a folder's list says that was written; None where it has no list of that form."""
    found = _list(folder)
    return found.get("kind") if found.keys() == {"kind", "files"} else None


def _list(folder: Path) -> dict[str, Any]:
    """Return what a folder's list holds, nothing where it has none."""
    if not (folder / LIST).is_file():
        return {}
    content = parse(read_bytes(folder / LIST, most=_MOST_LIST_BYTES), str(folder / LIST))
    return content if isinstance(content, dict) else {}


def _require_ours(target: Path, kind: str, spare: Collection[str]) -> None:
    """Raise unless the target is free, empty, or as its list says."""
    if not target.exists():
        return
    needed = f"a folder that is new, empty, or holds only a {kind} as it was written"
    found = _list(target).get("kind")
    if found not in (kind, None):
        raise InvalidProblemError(f"{target}: found a {found}, needed {needed}", "folder")
    for name, why in changes(target, spare=spare):
        raise InvalidProblemError(f"{target}: found {name}, {why}; needed {needed}", "folder")


def _files(folder: Path, within: str = "") -> Iterator[str]:
    """Yield all files below a folder as paths within it, and its empty folders with a slash.

    Temporary folders of a killed process, in the folder itself, are no content. One by one: a
    folder that is not ours may hold a whole disk.
    """
    for path in sorted((folder / within).iterdir()):
        name = within + path.name
        if not within and name.startswith(_prefix(folder)) and name.endswith(".new"):
            continue
        if not path.is_dir() or path.is_symlink():
            yield name
        elif any(path.iterdir()):
            yield from _files(folder, f"{name}/")
        else:
            yield f"{name}/"


def _prefix(target: Path) -> str:
    """Return how the names of a target's temporary folders begin."""
    return f".{target.name[:100]}."


def _is_working_folder(path: Path) -> bool:
    try:
        return path.samefile(Path.cwd())
    except FileNotFoundError:  # it has been removed
        return False


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _sync(folder: Path) -> None:
    """Bring all files below a folder, and their names, to the disk."""
    for path in sorted(folder.rglob("*"), reverse=True):
        if path.is_dir():
            sync_folder(path)
        else:
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
    sync_folder(folder)


def _exchange_names(one: Path, other: Path) -> bool:
    """Let two folders change names in one step; False where the system cannot."""
    call = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if call is None:
        return False
    here, exchange = -100, 2  # AT_FDCWD, RENAME_EXCHANGE
    names = [os.fsencode(path) for path in (one, other)]
    if call(here, names[0], here, names[1], exchange) == 0:
        return True
    code = ctypes.get_errno()
    if code in (errno.ENOSYS, errno.EINVAL):  # an old kernel, or a file system that cannot
        return False
    raise OSError(code, os.strerror(code), str(other))


def _exchange_entries(target: Path, work: Path) -> None:
    """Move what is in `work` into the target and what was in the target into `work`.

    If a step fails, the steps before it are taken back.
    """
    old = work / ".old"
    old.mkdir()
    done: list[tuple[Path, Path]] = []
    try:
        for entry in sorted(target.iterdir()):
            if entry != work:
                entry.rename(old / entry.name)
                done.append((entry, old / entry.name))
        for entry in sorted(work.iterdir()):
            if entry != old:
                entry.rename(target / entry.name)
                done.append((entry, target / entry.name))
    except BaseException:
        for before, after in reversed(done):
            after.rename(before)
        raise


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Hold a folder's lock; OSError if another process has it."""
    import fcntl

    descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(descriptor)
