"""The sites where jobs run, and their classes of accelerators."""

from __future__ import annotations

import dataclasses
from typing import Any, ClassVar

import numpy as np

from ..._checks import listed, meant
from ...errors import InvalidProblemError
from .column import Bools, Floats, Int32s, Int64s, Strings, Table, column
from .frozen import sealed
from .value_checks import MOST_PUE, MOST_SITES, labels_of

__all__ = ["Classes", "Sites"]


@dataclasses.dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class Sites(Table):
    """Computing facilities, one row each.

    Parameters
    ----------
    name : str (n_sites,)
        What the site is called, each name once.
    latitude, longitude : float64 (n_sites,), degrees
        Where it lies, for pictures; no plan depends on it.
    pue : float64 (n_sites,) or (n_sites, n_hours)
        Energy at the grid connection over energy at the servers; by hour where cooling follows
        weather.
    new : bool (n_sites,)
        Does the green mandate apply (a new facility)?
    connection_kw : float64 (n_sites,), kW
        Most power taken from the grid, charging included; inf = no limit. Bundled green power has
        its own limit, `Energy.bundled_kwh`.
    carbon_g_per_kwh : float64 (n_sites,) or (n_sites, n_hours)
        Location-based intensity of the grid there.
    minimum_load_kw : float64 (n_sites,) or (n_sites, n_hours), kW
        Least load at the grid connection, base load included, while the site is open; 0 = none.
    ramp_up_kw, ramp_down_kw : float64 (n_sites,), kW
        Most by which the load may rise, or fall, from one step to the next; inf = no limit.
    load_before_kw : float64 (n_sites,), kW
        Load before hour 0, which the first step's change is counted from; inf = not known, and the
        first step is free.
    load_limit_yuan_per_kwh : float64 (n_sites,), yuan/kWh
        What each kWh costs by which a step's load lies below the minimum, or beyond what its
        limits of change allow after the step before. All plans stay possible: a price far above
        any other keeps the limits wherever jobs can.
    region, operator : int32 or str (n_sites,)
        Labels for pooling the mandate: "cluster" pools the new sites of one region, "operator"
        those of one operator. Names become numbers, with the names in `region_names` and
        `operator_names`.
    region_names, operator_names : tuple of str
        What the numbers are called.

    Examples
    --------
    >>> sites = Sites(name=["Hami", "Wuhu"], region=["Xinjiang", "Yangtze"])
    >>> sites.region, sites.region_names
    (array([0, 1], dtype=int32), ('Xinjiang', 'Yangtze'))
    >>> int(sites.residency(["Wuhu"]))
    2
    """

    title: ClassVar[str] = "sites"
    rows: ClassVar[str] = "site"

    name: Strings = column("site", np.str_)
    latitude: Floats = column("site", np.float64, "degrees north", default=0.0, low=-90, high=90)
    longitude: Floats = column("site", np.float64, "degrees east", default=0.0, low=-180, high=180)
    pue: Floats = column(
        "site hour", np.float64, default=1.0, low=1, high=MOST_PUE, may_drop_last=True
    )
    new: Bools = column("site", np.bool_, default=False)
    connection_kw: Floats = column("site", np.float64, "kW", default=np.inf, low=0, infinite=True)
    carbon_g_per_kwh: Floats = column(
        "site hour", np.float64, "g CO2 per kWh", default=0.0, low=0, may_drop_last=True
    )
    minimum_load_kw: Floats = column(
        "site hour", np.float64, "kW", default=0.0, low=0, may_drop_last=True
    )
    ramp_up_kw: Floats = column("site", np.float64, "kW", default=np.inf, low=0, infinite=True)
    ramp_down_kw: Floats = column("site", np.float64, "kW", default=np.inf, low=0, infinite=True)
    load_before_kw: Floats = column("site", np.float64, "kW", default=np.inf, low=0, infinite=True)
    load_limit_yuan_per_kwh: Floats = column("site", np.float64, "yuan/kWh", default=3.0, low=0)
    region: Int32s = column("site", np.int32, default=0, low=0)
    operator: Int32s = column("site", np.int32, default=0, low=0)
    region_names: tuple[str, ...] = ()
    operator_names: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Turn names of regions and operators into numbers, then check the columns."""
        for label in ("region", "operator"):
            given = getattr(self, label)
            values = np.asarray(given, object) if isinstance(given, (list, tuple)) else given
            kind = getattr(getattr(values, "dtype", None), "kind", "i")
            texts = kind == "U" or (kind == "O" and all(isinstance(v, str) for v in values))
            if texts and len(values):
                names = getattr(self, f"{label}_names") or tuple(dict.fromkeys(map(str, values)))
                object.__setattr__(self, f"{label}_names", names)
                object.__setattr__(self, label, _numbered(f"sites.{label}", values, names))
        super().__post_init__()

    def residency(self, names: Any) -> np.int64:
        """The mask of `Jobs.residency` that allows these sites, given by name or row."""
        rows = {str(name): i for i, name in enumerate(self.name)}
        mask = 0
        for i, name in enumerate([names] if isinstance(names, str) else list(names)):
            row = rows.get(name, -1) if isinstance(name, str) else int(name)
            if not 0 <= row < len(self):
                message = f"residency[{i}]: found {name!r:.100}, needed one of {', '.join(rows)}"
                message += meant(str(name), rows)
                raise InvalidProblemError(message, "residency", i)
            mask |= 1 << row
        return np.int64(mask)

    @property
    def limits_load(self) -> Bools:
        """Sites with a minimum load or a limit of its change, (n_sites,)."""
        least = self.minimum_load_kw.reshape(len(self), -1)
        limited = (least > 0).any(axis=1) | np.isfinite(self.ramp_up_kw)
        return sealed(limited | np.isfinite(self.ramp_down_kw))

    def check(self) -> None:
        """Few enough for a residency mask, each name used once, labels named where names are."""
        for label in ("region", "operator"):
            numbers, names = getattr(self, label), getattr(self, f"{label}_names")
            if names:
                size = len(names)
                names = labels_of(f"sites.{label}_names", names, size, label)
                object.__setattr__(self, f"{label}_names", names)
                self.require(numbers < size, label, f"below {size}, the {label}_names")
        if len(self) > MOST_SITES:
            message = f"sites has {len(self)} rows, needed at most {MOST_SITES}, the residency bits"
            raise InvalidProblemError(message, "sites")
        seen: dict[str, int] = {}
        for i, name in enumerate(self.name):
            if not name:
                message = f"sites.name[{i}] is '', needed a name"
                raise InvalidProblemError(message, "sites.name", i)
            if name in seen:
                raise self.fail("name", i, f"a name not used by row {seen[name]}")
            if any("\ud800" <= c <= "\udfff" for c in name):
                message = f"sites.name[{i}] is {str(name)!r}, needed text that UTF-8 can hold"
                raise InvalidProblemError(message, "sites.name", i)
            seen[name] = i


def _numbered(field: str, values: Any, names: tuple[str, ...]) -> Int32s:
    """Return the place of each text among the names."""
    place = {text: i for i, text in enumerate(names)}
    odd = [(row, str(text)) for row, text in enumerate(values) if str(text) not in place]
    if odd:
        # One name makes texts of a CSV column's numbers: the name is at fault, if one is not known.
        row, text = next((one for one in odd if not one[1].isdecimal()), odd[0])
        message = f"{field}[{row}] is {text!r:.100}, needed one of {listed(names)}"
        raise InvalidProblemError(message + meant(text, names), field, row)
    return np.array([place[str(text)] for text in values], np.int32)


@dataclasses.dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class Classes(Table):
    """Slot classes, one row each: the interchangeable accelerators of one kind at one site.

    Parameters
    ----------
    site : int32 (n_classes,)
        Where the accelerators stand.
    accelerator : int32 (n_classes,)
        Index into `accelerator_names`.
    capacity : int64 (n_classes, n_hours), accelerators
        How many are free in each hour.
    memory_gb : float64 (n_classes,)
        Memory of one accelerator.
    power_kw : float64 (n_classes,), kW
        Mean draw of one busy accelerator (board power times its utilisation factor).
    overhead_kw : float64 (n_classes,), kW
        The server around it, for each busy accelerator.
    throughput : float64 (n_families, n_classes)
        Speed of each job family relative to the reference accelerator; 0 = cannot run. Measured,
        never taken from TFLOPS alone.
    accelerator_names, family_names : tuple of str
        What the numbers of accelerators and of families are called.
    """

    title: ClassVar[str] = "classes"
    rows: ClassVar[str] = "class"

    site: Int32s = column("class", np.int32, "site", low=0)
    accelerator: Int32s = column("class", np.int32, "index of accelerator_names", default=0, low=0)
    capacity: Int64s = column("class hour", np.int64, "accelerators", low=0, high=2**31 - 1)
    memory_gb: Floats = column("class", np.float64, "GB per accelerator", low=0)
    power_kw: Floats = column("class", np.float64, "kW per accelerator", low=0)
    overhead_kw: Floats = column("class", np.float64, "kW per accelerator", default=0.0, low=0)
    throughput: Floats = column("family class", np.float64, "reference accelerators", low=0)
    accelerator_names: tuple[str, ...] = ()
    family_names: tuple[str, ...] = ()

    def check(self) -> None:
        """Names, where given, are enough."""
        size, given = 1 + int(self.accelerator.max(initial=-1)), self.accelerator_names
        names = labels_of("classes.accelerator_names", given, size, "accelerator")
        object.__setattr__(self, "accelerator_names", names)
        needed = f"below {len(names)}, the accelerator_names"
        self.require(self.accelerator < len(names), "accelerator", needed)
        size, given = len(self.throughput), self.family_names
        names = labels_of("classes.family_names", given, size, "family", "throughput")
        object.__setattr__(self, "family_names", names)
