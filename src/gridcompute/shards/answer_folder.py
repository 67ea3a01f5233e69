"""The folder of an answer: one Parquet file a shard, there as a whole or not at all.

Files are written into a folder beside it, ``<out>.partial``, which takes the name `out` when all of
them are there. A solve that ends early leaves that folder, with a journal of what shards have
answered; the same call again takes these answers from it, since a coordinator asks the same
questions again.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .. import _core, _files
from .._extras import extra
from ..errors import InvalidProblemError

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

__all__ = ["AnswerFolder", "read_slots"]

_PROBLEM = "problem.json"
_JOURNAL = "journal"


def _name(shard: int) -> str:
    return f"shard-{shard:06d}.parquet"


class AnswerFolder:
    """The folder of an answer.

    Parameters
    ----------
    out : path
        The folder; a new or an empty one.
    problem : sequence
        Identifies the problem: answers in the journal of another problem are not used.

    Raises
    ------
    InvalidProblemError
        A file, a folder that is not empty, or one that was begun by a version of this library with
        another shard protocol.
    """

    def __init__(self, out: str | os.PathLike[str], problem: Sequence[Any]) -> None:
        with extra("grid"):
            import pyarrow.parquet  # noqa: F401

        self.out = Path(out).absolute()
        if self.out.exists():
            if not self.out.is_dir():
                raise InvalidProblemError(f"out: found a file {self.out}, needed a folder", "out")
            if any(self.out.iterdir()):
                raise InvalidProblemError(
                    f"out: found files in {self.out}, needed a new or an empty folder", "out"
                )
        self.partial = self.out.with_name(self.out.name + ".partial")
        text = json.dumps([str(part) for part in problem])
        stamp = {
            "shard_protocol": _core.SHARD_PROTOCOL,
            "problem": hashlib.sha256(text.encode()).hexdigest(),
        }
        if self.partial.exists() and self._begun() != stamp:
            shutil.rmtree(self.partial)
        (self.partial / _JOURNAL).mkdir(parents=True, exist_ok=True)
        if not (self.partial / _PROBLEM).exists():
            _files.write_whole(self.partial / _PROBLEM, json.dumps(stamp).encode())

    def _begun(self) -> dict[str, Any] | None:
        """Return the stamp of what an earlier call has begun; None where it began nothing."""
        try:
            text = (self.partial / _PROBLEM).read_bytes()
        except FileNotFoundError:
            if any(self.partial.iterdir()):
                raise InvalidProblemError(
                    f"out: found files in {self.partial}, which begins answers and is not ours",
                    "out",
                ) from None
            return None
        try:
            found = json.loads(text)
        except ValueError:  # what is no JSON, or not even text
            found = None
        version = found.get("shard_protocol") if isinstance(found, dict) else None
        if version != _core.SHARD_PROTOCOL:
            raise InvalidProblemError(
                f"out: found {self.partial} begun with shard protocol {version}, needed "
                f"{_core.SHARD_PROTOCOL}: let the version of gridcompute that began it finish it, "
                "or remove it",
                "out",
            )
        return dict(found)

    def _entry(self, shard: int, question: bytes) -> Path:
        digest = hashlib.blake2b(question, digest_size=12).hexdigest()
        return self.partial / _JOURNAL / f"{shard}-{digest}"

    def recorded(self, shard: int, question: bytes, *, answer_file: bool) -> bytes | None:
        """Return what a shard answered before an earlier call ended, or None."""
        entry = self._entry(shard, question)
        if not entry.is_file() or (answer_file and not (self.partial / _name(shard)).is_file()):
            return None
        return entry.read_bytes() or None

    def record(self, shard: int, question: bytes, answer: bytes | memoryview) -> None:
        """Record an answer: whole, or not at all."""
        entry = self._entry(shard, question)
        beside = entry.with_suffix(".new")
        beside.write_bytes(answer)
        beside.replace(entry)

    def write(self, shard: int, slots: NDArray[np.int32]) -> None:
        """Write the classes of a shard's jobs, in place of those of an earlier plan."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        path = self.partial / _name(shard)
        beside = path.with_suffix(".new")
        try:
            pq.write_table(
                pa.table({"slot": pa.array(slots)}),
                beside,
                compression="none",
                use_dictionary=False,
            )
            beside.replace(path)
        except BaseException:
            beside.unlink(missing_ok=True)
            raise

    def finish(self, rows: Sequence[int]) -> list[Path]:
        """Give the folder its name; return its files."""
        shutil.rmtree(self.partial / _JOURNAL)
        (self.partial / _PROBLEM).unlink()
        for stray in self.partial.glob("*.new"):
            stray.unlink()
        for shard in range(len(rows)):
            descriptor = os.open(self.partial / _name(shard), os.O_RDONLY | os.O_CLOEXEC)
            os.close(descriptor)  # it exists
        _files.sync_folder(self.partial)
        self.partial.rename(self.out)  # an empty folder of that name is replaced
        _files.sync_folder(self.out.parent)
        return [self.out / _name(shard) for shard in range(len(rows))]

    def discard(self) -> None:
        """Remove all that was written: there is no answer."""
        shutil.rmtree(self.partial, ignore_errors=True)


def read_slots(path: Path, rows: int) -> NDArray[np.int32]:
    """Read the classes of a shard's jobs."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        column = pq.read_table(path, columns=["slot"], use_threads=False).column("slot")
    except (OSError, pa.ArrowException) as error:
        raise InvalidProblemError(
            f"assignment: found {path} unreadable ({str(error).partition(chr(10))[0]})",
            "assignment",
        ) from None
    slots = np.ascontiguousarray(column.to_numpy(), np.int32)
    if len(slots) != rows:
        raise InvalidProblemError(
            f"assignment: found {len(slots)} rows in {path}, needed {rows}", "assignment"
        )
    return slots
