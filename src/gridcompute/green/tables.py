"""The tables of green accounting: measurements, bundles of certificates, storage, allocations."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .._columns import Field, Place, Texts, arrow_table, read, read_file
from ..errors import InvalidProblemError

if TYPE_CHECKING:
    import pyarrow as pa
    from numpy.typing import NDArray

    Int64s = NDArray[np.int64]

#: Statuses of a bundle in EnergyTag's scheme; one that is Active may be claimed.
STATUSES = ("Active", "Cancelled", "Claimed", "Expired", "Withdrawn", "Locked", "Reserved")
#: Kinds of bundles: granular certificates, guarantees of origin, green electricity certificates
#: of China, and power of the facility's own plants without a certificate.
KINDS = ("granular", "GO", "GEC", "own")
QUALITIES = ("measured", "profile", "estimated")
METHODS = ("fifo", "lifo", "average")
#: Sums of energy are kept in 64 bits; the largest that a table may hold, Wh.
MOST_WH = 2**62

_TIME = "in UTC or with an offset"
MEASUREMENTS = {
    "facility": Field("text", "the facility whose load it is", True),
    "meter": Field("text", "the meter at the facility's grid connection", True),
    "start": Field("time", f"begin of the interval, {_TIME}", True),
    "end": Field("time", f"end of the interval, {_TIME}", True),
    "wh": Field("whole", "energy used in the interval", True, "Wh", 0, MOST_WH),
    "side": Field(
        "text", "gross: all that is used; net: drawn from the grid", choices=("gross", "net")
    ),
    "quality": Field("text", "how it is known", choices=QUALITIES),
    "zone": Field("text", "bidding zone of the facility"),
    "country": Field("text", "country of the facility"),
    "operator": Field("text", "operator of the facility"),
    "grid_clean": Field("real", "carbon-free share of the grid's power", False, "", 0, 1),
    "grid_g_per_kwh": Field("real", "emissions of the grid's average", False, "g/kWh", 0, 1e5),
    "residual_g_per_kwh": Field("real", "emissions of the residual mix", False, "g/kWh", 0, 1e5),
    "note": Field("text", "anything"),
}
BUNDLES = {
    "issuance": Field("text", "the issuance that the certificates belong to", True),
    "id_start": Field("whole", "first certificate of the issuance's range", True, "", 0, MOST_WH),
    "id_end": Field("whole", "last certificate of the range", True, "", -1, MOST_WH),
    "device": Field("text", "the plant", True),
    "technology": Field("text", "wind, solar, hydro, ..."),
    "commissioned": Field("time", "when the plant went into operation"),
    "zone": Field("text", "bidding zone of the plant"),
    "country": Field("text", "country of the plant"),
    "operator": Field("text", "operator of the facilities that it may serve"),
    "facility": Field("text", "the facility that it is bound to"),
    "start": Field("time", "begin of production", True),
    "end": Field("time", "end of production", True),
    "wh": Field("whole", "energy, a certificate a Wh", True, "Wh", 0, MOST_WH),
    "carrier": Field("text", "electricity", choices=("electricity",)),
    "kind": Field("text", "kind of certificate", choices=KINDS),
    "status": Field("text", "status in the registry", choices=STATUSES),
    "beneficiary": Field("text", "buyer by a contract; none for a certificate alone"),
    "contracted": Field("time", "when that contract was signed"),
    "support": Field("text", "public support that the plant gets"),
    "emission_g_per_kwh": Field("real", "emissions of production", False, "g/kWh", 0, 1e5),
    "storage": Field("text", "the storage device that gave it back"),
}
STORAGE = {
    "device": Field("text", "the storage device", True),
    "kind": Field("text", "charge or discharge", True, choices=("charge", "discharge")),
    "start": Field("time", f"begin of the interval, {_TIME}", True),
    "end": Field("time", f"end of the interval, {_TIME}", True),
    "wh": Field("whole", "energy at the device's connection", True, "Wh", 0, MOST_WH),
    "bundle": Field("text", "the issuance that is charged; none for other power"),
    "method": Field("text", "which charge a discharge is taken from", choices=METHODS),
    "efficiency": Field("real", "Wh given back of one that is charged", False, "", 1e-6, 1),
}
ALLOCATIONS = {
    "bundle": Field("text", "issuance of the certificates", True),
    "id_start": Field("whole", "first certificate", True, "", 0, MOST_WH),
    "id_end": Field("whole", "last certificate", True, "", 0, MOST_WH),
    "facility": Field("text", "the facility that claims them", True),
    "meter": Field("text", "the meter whose interval they are matched to", True),
    "start": Field("time", "begin of that interval", True),
    "end": Field("time", "end of that interval", True),
    "wh": Field("whole", "energy", True, "Wh", 1, MOST_WH),
    "rule": Field("text", "the rule"),
    "cancellation": Field("text", "the registry's number of the cancellation"),
}
TABLES = {
    "measurements": MEASUREMENTS,
    "bundles": BUNDLES,
    "storage": STORAGE,
    "allocations": ALLOCATIONS,
}


@dataclass(frozen=True, eq=False)
class Checked:
    """A checked table: its columns by name, and what messages call a row of one."""

    title: str
    columns: dict[str, Any]
    place: Place
    source: pa.Table

    def __len__(self) -> int:
        """Rows."""
        return len(self.columns["start"])

    def __getitem__(self, name: str) -> Any:
        return self.columns[name]

    def texts(self, name: str) -> Texts:
        """Return a column of texts; one that is not there has none."""
        missing = Texts(np.full(len(self), -1), np.array([], object))
        found: Texts = self.columns.get(name, missing)
        return found

    def are(self, name: str, text: str, default: str) -> NDArray[np.bool_]:
        """Return which rows have that text; those without any have the default."""
        column = self.texts(name)
        number = np.flatnonzero(column.names == text)
        found = np.isin(column.codes, number)
        return found | (column.codes < 0) if text == default else found

    def fail(self, name: str, row: int, found: str, needed: str) -> None:
        """Raise the error of one value."""
        message = f"{self.place(name, row)}: found {found}, needed {needed}"
        raise InvalidProblemError(message, name, row)


def checked(title: str, data: Any) -> Checked:
    """Return a table of measurements, bundles, storage or allocations, checked."""
    if isinstance(data, Checked):
        return data
    place = Place(title)
    if isinstance(data, Path):
        data, place = read_file(TABLES[title], data)
    table = Checked(
        title,
        read(place.title, TABLES[title], data, place),
        place,
        arrow_table(place.title, data),
    )
    late = table["end"] <= table["start"]
    if late.any():
        row = int(late.argmax())
        table.fail(
            "end", row, f"{utc(table['end'][row])}", f"later than {utc(table['start'][row])}"
        )
    if int(table["wh"].astype(object).sum()) > MOST_WH:
        message = f"{place.title}, wh: found a sum beyond 2**62 Wh, needed at most that"
        raise InvalidProblemError(message, f"{title}.wh")
    if title in _CHECKS:
        _CHECKS[title](table)
    return table


def read_folder(folder: str | Path) -> dict[str, Checked]:
    """Return the tables of a folder: measurements, bundles and, where there are any, storage.

    Parameters
    ----------
    folder : path
        With ``measurements.csv`` and ``bundles.csv``, and ``storage.csv`` where storage gives back
        what it was charged with; each may be Parquet instead.

    Returns
    -------
    dict of str to table
        What `claim` takes as ``measurements``, ``bundles`` and ``storage``.

    Raises
    ------
    InvalidProblemError
        A value that its column may not have, with file, line and column.
    FileNotFoundError
        A table that is not there.
    """
    out = {}
    for title in ("measurements", "bundles", "storage"):
        found = [p for s in (".csv", ".parquet") if (p := Path(folder, title + s)).exists()]
        if len(found) > 1:
            message = f"{folder}: found {found[0].name} and {found[1].name}, needed one of them"
            raise InvalidProblemError(message, title)
        if found:
            out[title] = checked(title, found[0])
        elif title != "storage":
            raise FileNotFoundError(f"{folder}: found no {title}.csv and no {title}.parquet")
    return out


def utc(second: int) -> str:
    """Return a time as text in UTC."""
    return f"{np.datetime64(int(second), 's')}Z"


def _check_measurements(table: Checked) -> None:
    """Raise where two intervals of a meter overlap, be it on both sides of its connection."""
    meter = meters(table)
    order = np.lexsort((table["start"], meter))
    overlap = (np.diff(meter[order]) == 0) & (table["start"][order[1:]] < table["end"][order[:-1]])
    if overlap.any():
        at = int(overlap.argmax())
        first, second = sorted((int(order[at]), int(order[at + 1])))
        table.fail(
            "start",
            second,
            f"an interval of meter {table.texts('meter').names[table['meter'].codes[second]]!r} "
            f"from {utc(table['start'][second])} to {utc(table['end'][second])}",
            f"none that overlaps that of {table.place('start', first)}",
        )


def meters(table: Checked) -> Int64s:
    """Return a number for the facility and meter of each row of measurements."""
    facility, meter = table.texts("facility"), table.texts("meter")
    return np.asarray(facility.codes * max(len(meter.names), 1) + meter.codes)


def _check_bundles(table: Checked) -> None:
    """Raise where a range of certificates is not as long as its energy, or is there twice."""
    wrong = table["id_end"] - table["id_start"] + 1 != table["wh"]
    if wrong.any():
        row = int(wrong.argmax())
        ids = f"{table['id_start'][row]} to {table['id_end'][row]}"
        needed = f"a range of {table['wh'][row]} certificates, one for each Wh of the row"
        table.fail("id_end", row, f"ids {ids}", needed)
    codes = table["issuance"].codes
    order = np.lexsort((table["id_start"], codes))
    order = order[table["wh"][order] > 0]
    twice = (np.diff(codes[order]) == 0) & (
        table["id_start"][order[1:]] <= table["id_end"][order[:-1]]
    )
    if twice.any():
        at = int(twice.argmax())
        first, second = sorted((int(order[at]), int(order[at + 1])))
        name = table["issuance"].names[codes[second]]
        table.fail(
            "id_start",
            second,
            f"ids {table['id_start'][second]} to {table['id_end'][second]} of {name!r}",
            f"none that overlap those of {table.place('id_start', first)}",
        )


#: Storage is checked where it is linked to bundles, allocations where they are verified.
_CHECKS = {"measurements": _check_measurements, "bundles": _check_bundles}


def missing_intervals(table: Checked) -> pa.Table:
    """Return the times between two measurements of a meter for which there is none."""
    import pyarrow as pa

    order = np.lexsort((table["start"], meters(table)))
    meter = meters(table)[order]
    gap = (np.diff(meter) == 0) & (table["start"][order[1:]] > table["end"][order[:-1]])
    before, after = order[:-1][gap], order[1:][gap]
    return pa.table(
        {
            "facility": table.texts("facility").take(before),
            "meter": table.texts("meter").take(before),
            "start": times(table["end"][before]),
            "end": times(table["start"][after]),
        }
    )


def numbered(*columns: Int64s) -> tuple[Int64s, Int64s]:
    """Number the different tuples of values in their order: their first rows, each row's number."""
    code = np.zeros(len(columns[0]), np.int64)
    for column in columns:
        values, part = np.unique(column, return_inverse=True)
        code = np.unique(code * len(values) + part, return_inverse=True)[1]
    return np.unique(code, return_index=True)[1], code


def times(seconds: Int64s) -> pa.Array:
    """Return seconds since 1970 as Arrow timestamps in UTC."""
    import pyarrow as pa

    return pa.array(seconds, pa.int64()).cast(pa.timestamp("s", "UTC"))


def schema(title: str) -> dict[str, Any]:
    """Return the JSON Schema of a row of a table.

    Parameters
    ----------
    title : str
        "measurements", "bundles", "storage" or "allocations".

    Examples
    --------
    >>> from gridcompute import green
    >>> green.schema("measurements")["required"]
    ['facility', 'meter', 'start', 'end', 'wh']
    """
    if title not in TABLES:
        needed = ", ".join(TABLES)
        raise InvalidProblemError(f"title: found {title!r}, needed {needed}", "title")
    kinds = {"text": "string", "whole": "integer", "real": "number", "time": "string"}
    columns: dict[str, Any] = {}
    for name, field in TABLES[title].items():
        kind: Any = kinds[field.kind]
        entry: dict[str, Any] = {
            "type": kind if field.needed else [kind, "null"],
            "description": field.words + (f", {field.unit}" if field.unit else ""),
        }
        if field.kind == "time":
            entry["format"] = "date-time"
        if field.choices:
            entry["enum"] = [*field.choices, *([] if field.needed else [None])]
        for key, value in (("minimum", field.least), ("maximum", field.most)):
            if np.isfinite(value):
                entry[key] = int(value) if field.kind == "whole" else value
        columns[name] = entry
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": title,
        "type": "object",
        "properties": columns,
        "required": [name for name, field in TABLES[title].items() if field.needed],
        "additionalProperties": False,
    }
