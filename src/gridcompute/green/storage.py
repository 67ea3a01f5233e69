"""Storage: certificates that were charged become certificates of what is given back."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import numpy as np

from .tables import BUNDLES, Checked, checked, times, utc

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    Int64s = NDArray[np.int64]

#: The efficiency where none is given.
_LOSSLESS = 1.0


def both(measurements: Any, bundles: Any, storage: Any) -> tuple[Checked, Checked]:
    """Return measurements, and bundles with what storage gave back, checked."""
    load, supply = checked("measurements", measurements), checked("bundles", bundles)
    if storage is not None:
        supply = with_storage(supply, checked("storage", storage))
    return load, supply


def with_storage(bundles: Checked, storage: Checked) -> Checked:
    """Return the bundles with what storage took and gave back.

    A charge takes the last free certificates of its issuance, whose status becomes "Locked"; it is
    there from its end on. A discharge, at its start, takes Wh from what is stored: first in first
    out, last in first out, or of each charge the same share ("average"). Each gives bundles of the
    plant that was charged, in the interval of the discharge, with the device as `storage`. Losses
    are rounded up to a Wh of each charge. What was charged without a bundle gives none.
    """
    import pyarrow as pa

    link, charged = _charged(bundles, storage)
    first = np.zeros(len(charged), np.int64)
    first[bundles["issuance"].codes[::-1]] = np.arange(len(bundles))[::-1]
    lot = np.where(link >= 0, np.append(first, 0)[link], -1)
    devices = range(len(storage["device"].names))
    given = [row for device in devices for row in _given(storage, device, lot)]
    source = _columns(bundles)
    kept, locked = _split(bundles, source, charged)
    back = source.take(pa.array([row for row, *_ in given], pa.int64()))
    at = np.array([event for _, event, _ in given], np.int64)
    wh = np.array([amount for *_, amount in given], np.int64)
    names = storage.texts("device").take(at).to_pylist()
    changes = {
        "issuance": pa.array(
            [
                f"{name}-discharge-{utc(storage['start'][e])}-{k}"
                for k, (name, e) in enumerate(zip(names, at, strict=True))
            ],
            pa.string(),
        ),
        "id_start": pa.array(np.zeros(len(at), np.int64)),
        "id_end": pa.array(wh - 1),
        "wh": pa.array(wh),
        "start": times(storage["start"][at]),
        "end": times(storage["end"][at]),
        "storage": pa.array(names, pa.string()),
    }
    back = _changed(back, changes)
    return checked("bundles", pa.concat_tables([kept, locked, back], promote_options="default"))


def _columns(bundles: Checked) -> Any:
    """Return the table of bundles with columns of the reader's own types."""
    import pyarrow as pa

    rows = np.arange(len(bundles))
    out = {}
    for name, field in BUNDLES.items():
        if field.kind == "text":
            out[name] = bundles.texts(name).take(rows)
        elif name in bundles.columns:
            values = bundles[name]
            out[name] = times(values) if field.kind == "time" else pa.array(values)
    return pa.table(out)


def _changed(table: Any, changes: dict[str, Any]) -> Any:
    for name, column in changes.items():
        table = table.set_column(table.column_names.index(name), name, column)
    return table


def _charged(bundles: Checked, storage: Checked) -> tuple[Int64s, Int64s]:
    """Return the issuance that each row of storage charges, by number, and the sums of these."""
    names = {text: k for k, text in enumerate(bundles["issuance"].names)}
    charge = storage.texts("bundle")
    held, out = np.zeros(len(names), np.int64), np.zeros(len(names), np.int64)
    np.add.at(held, bundles["issuance"].codes, bundles["wh"])
    link = np.full(len(storage), -1)
    for row in np.flatnonzero((charge.codes >= 0) & storage.are("kind", "charge", "")):
        name = charge.names[charge.codes[row]]
        if name not in names:
            storage.fail("bundle", int(row), repr(name), "an issuance of the table of bundles")
        k = link[row] = names[name]
        wh = int(out[k]) + int(storage["wh"][row])
        if wh > held[k]:
            storage.fail("wh", int(row), f"{wh} Wh of {name!r} charged", f"at most {held[k]}")
        out[k] = wh
    return link, out


def _given(storage: Checked, device: int, lot: Int64s) -> Iterator[tuple[int, int, int]]:
    """Yield the row of bundles, the discharge and the Wh of what a device gives back.

    `lot` has the row of bundles that each row of storage charges, or -1.
    """
    events = np.flatnonzero(storage["device"].codes == device)
    charge = storage.are("kind", "charge", "")
    moment = np.where(charge, storage["end"], storage["start"])
    method = storage.texts("method")
    efficiency = storage.columns.get("efficiency", np.full(len(storage), _LOSSLESS))
    lots: list[list[int]] = []  # row of bundles or -1, Wh that are left
    for event in events[np.lexsort((~charge[events], moment[events]))]:
        wh = int(storage["wh"][event])
        if charge[event]:
            lots.append([int(lot[event]), int(wh * efficiency[event] + 1e-9)])
            continue
        stored = sum(left for _, left in lots)
        if wh > stored:
            needed = f"at most the {stored} Wh that are stored then (charge it without a bundle)"
            storage.fail("wh", int(event), f"{wh} Wh given back", needed)
        how = "fifo" if method.codes[event] < 0 else method.names[method.codes[event]]
        for part, taken in zip(_ordered(lots, how), _taken(lots, how, wh, stored), strict=True):
            part[1] -= taken
            if taken and part[0] >= 0:
                yield part[0], int(event), taken
        lots = [part for part in lots if part[1]]


def _ordered(lots: list[list[int]], how: str) -> list[list[int]]:
    return lots[::-1] if how == "lifo" else lots


def _taken(lots: list[list[int]], how: str, wh: int, stored: int) -> list[int]:
    """Return how much is taken of each lot in order."""
    left = [lot[1] for lot in _ordered(lots, how)]
    ends = np.cumsum([0, *left], dtype=object)
    if how == "average":
        share = [int(end) * wh // stored if stored else 0 for end in ends]
    else:
        share = [min(int(end), wh) for end in ends]
    return [after - before for before, after in itertools.pairwise(share)]


def _split(bundles: Checked, source: Any, charged: Int64s) -> tuple[Any, Any]:
    """Return the rows without what is charged, and those of what is, with the status Locked."""
    import pyarrow as pa

    left, codes = charged.copy(), bundles["issuance"].codes
    locked = np.zeros(len(bundles), np.int64)
    active = bundles.are("status", "Active", "Active")
    for row in np.flatnonzero((charged[codes] > 0) & active)[::-1]:
        locked[row] = min(left[codes[row]], bundles["wh"][row])
        left[codes[row]] -= locked[row]
    some = np.flatnonzero(locked)
    for code in np.flatnonzero(left):
        row = int((codes == code).argmax())
        found = f"{left[code]} Wh charged that are not Active"
        bundles.fail("status", row, found, "Active ones")
    end = bundles["id_end"] - locked
    kept = _changed(source, {"id_end": pa.array(end), "wh": pa.array(bundles["wh"] - locked)})
    changes = {
        "id_start": pa.array((end + 1)[some]),
        "wh": pa.array(locked[some]),
        "status": pa.array(["Locked"] * len(some), pa.string()),
    }
    return kept, _changed(source.take(pa.array(some)), changes)
