"""Certificates in the forms of registries: EnergyTag's names, and China's codes of certificates."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numpy as np

from .._extras import extra
from ..errors import InvalidProblemError
from .rules import add_months
from .tables import checked, times

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pyarrow as pa

#: Energy of one green electricity certificate, Wh.
GEC_WH = 1_000_000
#: Hours by which China's clock is ahead of UTC.
_CHINA_H = 8
#: 17 characters of the project, year and month of production, serial number, and the classes of
#: energy and of trade: 32 in all.
_GEC = re.compile(r"([0-9A-Z]{17})(\d{4})(\d{2})(\d{7})(\d)(\d)")
#: Our columns of bundles, by the names that EnergyTag's registry of granular certificates has.
_ENERGYTAG = {
    "issuance_id": "issuance",
    "certificate_bundle_id_range_start": "id_start",
    "certificate_bundle_id_range_end": "id_end",
    "bundle_quantity": "wh",
    "device_id": "device",
    "energy_source": "technology",
    "energy_carrier": "carrier",
    "production_starting_interval": "start",
    "production_ending_interval": "end",
    "device_production_start_date": "commissioned",
    "certificate_bundle_status": "status",
    "beneficiary": "beneficiary",
    "support_received": "support",
    "issue_market_zone": "zone",
    "country_of_issuance": "country",
    "emissions_factor_production_device": "emission_g_per_kwh",
}


def energytag(bundles: Any) -> pa.Table:
    """Return bundles under the names of EnergyTag's scheme of granular certificates.

    Parameters
    ----------
    bundles : table
        As for `claim`.

    Returns
    -------
    pyarrow.Table
        The columns that the table has, with ``face_value`` (1 Wh) and ``is_storage``.
    """
    with extra("grid"):
        import pyarrow as pa

    table = checked("bundles", bundles)
    rows = np.arange(len(table))
    out: dict[str, Any] = {}
    for theirs, ours in _ENERGYTAG.items():
        if ours not in table.columns:
            continue
        column = table[ours]
        if ours in ("start", "end", "commissioned"):
            out[theirs] = times(column)
        else:
            out[theirs] = column if isinstance(column, np.ndarray) else column.take(rows)
    out["face_value"] = np.ones(len(table), np.int64)
    out["is_storage"] = table.texts("storage").codes >= 0
    return pa.table(out)


def gec(first: Sequence[str], last: Sequence[str] | None = None, **columns: Any) -> pa.Table:
    """Return ranges of China's green electricity certificates as bundles.

    Parameters
    ----------
    first, last : sequence of str
        Codes of the first and the last certificate of each range, 32 characters: 17 of the project,
        the year and month of production, a serial number of seven digits, and one digit each for
        the classes of energy and of trade. Without `last` each is one certificate.
    **columns : array or text
        Other columns of bundles, e.g. ``technology="wind"``, ``commissioned=[...]``.

    Returns
    -------
    pyarrow.Table
        A bundle for each range: 1 MWh a certificate, ids in Wh, produced within its month by
        China's clock.

    Examples
    --------
    >>> from gridcompute import green
    >>> code = "0310123456789012X2026030000041"
    >>> green.gec([code + "11"], [code[:-2] + "5011"])["wh"].to_pylist()
    [10000000]
    """
    with extra("grid"):
        import pyarrow as pa

    last = first if last is None else last
    if len(first) != len(last):
        message = f"last: found {len(last)} codes, needed {len(first)}, one for each of first"
        raise InvalidProblemError(message, "last")
    rows = []
    for k, (a, b) in enumerate(zip(first, last, strict=True)):
        (project, year, month, begin, *classes), (*same, end, c, d) = (
            _code(name, k, text) for name, text in (("first", a), ("last", b))
        )
        if [project, year, month] != same or classes != [c, d]:
            needed = "a code of the same project, month and classes as first"
            raise InvalidProblemError(f"last[{k}]: found {b!r}, needed {needed}", "last", k)
        if int(end) < int(begin):
            message = f"last[{k}]: found {b!r}, needed one that is not before first"
            raise InvalidProblemError(message, "last", k)
        rows.append((f"{project}-{year}-{month}", project, f"{year}-{month}", int(begin), int(end)))
    moment = np.array([row[2] for row in rows], "M8[M]").astype("M8[s]").astype(np.int64)
    begins, ends = (np.array([row[at] for row in rows], np.int64) for at in (3, 4))
    table = {
        "issuance": pa.array([row[0] for row in rows], pa.string()),
        "id_start": begins * GEC_WH,
        "id_end": (ends + 1) * GEC_WH - 1,
        "device": pa.array([row[1] for row in rows], pa.string()),
        "start": times(moment - _CHINA_H * 3600),
        "end": times(add_months(moment, 1) - _CHINA_H * 3600),
        "wh": (ends - begins + 1) * GEC_WH,
        "kind": pa.repeat("GEC", len(rows)),
        "country": pa.repeat("CN", len(rows)),
    }
    for name, column in columns.items():
        table[name] = pa.repeat(column, len(rows)) if isinstance(column, str) else column
    return checked("bundles", table).source


def _code(name: str, row: int, text: str) -> tuple[str, ...]:
    match = _GEC.fullmatch(text) if isinstance(text, str) else None
    if match is None or not 1 <= int(match[3]) <= 12:
        needed = "32 characters: project (17), year and month, serial (7), two classes"
        raise InvalidProblemError(f"{name}[{row}]: found {text!r}, needed {needed}", name, row)
    return match.groups()
