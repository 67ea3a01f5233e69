"""Sites: their accelerators by class, their energy by hour, and the network between them."""

from __future__ import annotations

import dataclasses
from typing import Any, ClassVar

import numpy as np

from ..._checks import listed, meant
from ...errors import InvalidProblemError
from .column import Bools, Floats, Int32s, Int64s, Strings, Table, column, sealed
from .names import LEAST_EFFICIENCY, MOST_PUE, MOST_SITES, labels_of, price_of, rule_of


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


#: "cyclic": each colour of stored energy ends no lower than it began;
#: "value": what is left is worth `terminal_yuan_per_kwh`.
TERMINAL_RULES = ("cyclic", "value")
#: Whose are the certificates of exported direct power: the buyer's, or still the site's?
EXPORTED_CERTIFICATES = ("sold", "kept")


@dataclasses.dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class Energy(Table):
    """Energy by site and hour; an hour's energy is in kWh, at the grid connection.

    A battery is kept in two colours: green, charged by direct or bundled green power only, and
    grey, charged from the grid. Both share its size and its power.

    Parameters
    ----------
    direct_kwh : float64 (n_sources, n_sites, n_hours)
        Available from each source connected directly (solar, wind, hydro); what is not used is
        stored, exported or curtailed.
    direct_yuan_per_kwh : float64 (n_sources, n_sites) or (n_sources, n_sites, n_hours)
        Price of what is used or stored of it; by hour where a PPA says so.
    take_or_pay : bool (n_sources, n_sites)
        Is what is curtailed paid like what is used? A plant of one's own costs nothing more to run:
        its price is 0, or its whole cost by this.
    curtailment_yuan_per_kwh : float64 (n_sources, n_sites)
        What a curtailed kWh costs besides.
    bundled_kwh, bundled_yuan_per_kwh : float64 (n_sites, n_hours)
        Green power delivered with its certificates in that very hour: most of it, and its price.
    bundled_volume_kwh : float64 (n_sites,)
        Most of it in the whole batch; inf = what its hours allow.
    tariff_yuan_per_kwh : float64 (n_sites, n_hours)
        Price of grid power.
    base_load_kwh : float64 (n_sites, n_hours)
        Load beside the jobs.
    export_yuan_per_kwh : float64 (n_sites, n_hours)
        Paid, net of its cost, for direct power sent to the grid; 0 = reverse flow is forbidden
        there.
    export_kw : float64 (n_sites,)
        Most power sent to the grid; inf = no limit.
    demand_yuan_per_kw, demand_paid_kw : float64 (n_sites,)
        The demand charge: price of each kW by which the highest draw from the grid in the batch,
        charging included, lies above what the month has reached already.
    grid_green_share : float64 (n_sites, n_hours)
        Green part of the grid's own mix, 0 to 1; counts in the CFE score (N3), never in the
        mandate.
    battery_kwh, battery_kw : float64 (n_sites,)
        Size, and most power in either direction.
    charge_efficiency, discharge_efficiency : float64 (n_sites,)
        Stored per kWh taken; delivered per kWh drawn from store. From 0.001 to 1.
    wear_yuan_per_kwh : float64 (n_sites,)
        For each kWh taken to charge and each kWh delivered by discharge.
    green_start_kwh, grey_start_kwh : float64 (n_sites,)
        Stored before the first hour, by colour.
    terminal_yuan_per_kwh : float64 (n_sites,)
        Worth of a kWh stored after the last hour, under the terminal rule "value".
    shed_kwh : float64 (n_sites, n_hours)
        Load that may go without power, at most, at `shed_yuan_per_kwh`. It counts as load of the
        mandate. What runs and cannot move (`Problem.running`) may be shed besides.
    source_names : tuple of str
        What the direct sources are called, one name each.
    certificate_yuan_per_kwh : float
        Price of a green certificate (GEC) without the power; counts only under the volume rule.
    carbon_yuan_per_t : float
        Price of location-based CO2 of grid power.
    shed_yuan_per_kwh : float
        Price of load that is shed: far above any tariff, and above what a job is worth a kWh.
    terminal : "cyclic" or "value"
        What a battery holds after the last hour: no less of each colour than before the first one,
        or anything, worth `terminal_yuan_per_kwh`.
    exported_certificates : "sold" or "kept"
        Whether the certificates of exported direct power are sold with it or kept. Kept ones count
        under the volume rule, and N1 may lie above 100 % of load; sold ones count nowhere here.
    """

    title: ClassVar[str] = "energy"
    rows: ClassVar[str] = "site"

    direct_kwh: Floats = column("source site hour", np.float64, "kWh", low=0)
    direct_yuan_per_kwh: Floats = column(
        "source site hour", np.float64, "yuan/kWh", default=0.0, may_drop_last=True
    )
    take_or_pay: Bools = column("source site", np.bool_, default=False)
    curtailment_yuan_per_kwh: Floats = column(
        "source site", np.float64, "yuan/kWh", default=0.0, low=0
    )
    bundled_kwh: Floats = column("site hour", np.float64, "kWh", default=0.0, low=0)
    bundled_yuan_per_kwh: Floats = column("site hour", np.float64, "yuan/kWh", default=0.0)
    bundled_volume_kwh: Floats = column(
        "site", np.float64, "kWh", default=np.inf, low=0, infinite=True
    )
    tariff_yuan_per_kwh: Floats = column("site hour", np.float64, "yuan/kWh")
    base_load_kwh: Floats = column("site hour", np.float64, "kWh", default=0.0, low=0)
    export_yuan_per_kwh: Floats = column("site hour", np.float64, "yuan/kWh", default=0.0, low=0)
    export_kw: Floats = column("site", np.float64, "kW", default=np.inf, low=0, infinite=True)
    demand_yuan_per_kw: Floats = column("site", np.float64, "yuan per kW", default=0.0, low=0)
    demand_paid_kw: Floats = column("site", np.float64, "kW", default=0.0, low=0)
    grid_green_share: Floats = column("site hour", np.float64, default=0.0, low=0, high=1)
    battery_kwh: Floats = column("site", np.float64, "kWh", default=0.0, low=0)
    battery_kw: Floats = column("site", np.float64, "kW", default=0.0, low=0)
    charge_efficiency: Floats = column(
        "site", np.float64, default=1.0, low=LEAST_EFFICIENCY, high=1
    )
    discharge_efficiency: Floats = column(
        "site", np.float64, default=1.0, low=LEAST_EFFICIENCY, high=1
    )
    wear_yuan_per_kwh: Floats = column("site", np.float64, "yuan/kWh", default=0.0, low=0)
    green_start_kwh: Floats = column("site", np.float64, "kWh", default=0.0, low=0)
    grey_start_kwh: Floats = column("site", np.float64, "kWh", default=0.0, low=0)
    terminal_yuan_per_kwh: Floats = column("site", np.float64, "yuan/kWh", default=0.0, low=0)
    shed_kwh: Floats = column("site hour", np.float64, "kWh", default=0.0, low=0)
    source_names: tuple[str, ...] = ()
    certificate_yuan_per_kwh: float = 0.0
    carbon_yuan_per_t: float = 0.0
    shed_yuan_per_kwh: float = 50.0
    terminal: str = "cyclic"
    exported_certificates: str = "sold"

    @property
    def direct_hourly_yuan_per_kwh(self) -> Floats:
        """`direct_yuan_per_kwh` on three axes; one hour where it is the same in all."""
        price = self.direct_yuan_per_kwh
        return price if price.ndim == 3 else price[:, :, None]

    def check(self) -> None:
        """The store starts within its size; the scalar prices and the terminal rule make sense."""
        start = self.green_start_kwh + self.grey_start_kwh
        self.require(
            start <= self.battery_kwh, "green_start_kwh", "with grey_start_kwh at most battery_kwh"
        )
        units = {"certificate_yuan_per_kwh": "yuan/kWh", "carbon_yuan_per_t": "yuan/t"}
        units |= {"shed_yuan_per_kwh": "yuan/kWh"}
        for name, unit in units.items():
            object.__setattr__(self, name, price_of(f"energy.{name}", getattr(self, name), unit))
        rule_of("energy.terminal", self.terminal, TERMINAL_RULES)
        kept = self.exported_certificates
        rule_of("energy.exported_certificates", kept, EXPORTED_CERTIFICATES)
        size = len(self.direct_kwh)
        names = labels_of("energy.source_names", self.source_names, size, "source", "direct_kwh")
        object.__setattr__(self, "source_names", names)


#: One Gbit/s for one hour moves 3600 / 8 GB.
GB_PER_GBIT_S_HOUR = 450.0
#: Whether a job's `latency_ms` is the one-way delay or the round trip.
LATENCY_RULES = ("one_way", "round_trip")


@dataclasses.dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class Corridors(Table):
    """Corridors between every ordered pair of sites; within a site all is free and unlimited.

    Parameters
    ----------
    bandwidth_gb : float64 (n_sites, n_sites, n_hours), GB
        Most data moved from origin to destination for jobs starting in that hour; inf = no limit.
        One Gbit/s is 450 GB in an hour. The diagonal is set to inf.
    price_yuan_per_gb : float64 (n_sites, n_sites)
        The diagonal is set to 0.
    delay_ms : float64 (n_sites, n_sites)
        One way. The diagonal may hold a site's own delay to its users.
    latency_rule : "one_way" or "round_trip"
        What `Jobs.latency_ms` limits: the delay, or twice it. A parameter, because it decides
        whether Xinjiang lies inside a 20 ms circle around Chongqing.
    """

    title: ClassVar[str] = "corridors"
    rows: ClassVar[str] = "origin"

    bandwidth_gb: Floats = column(
        "origin destination hour", np.float64, "GB", default=np.inf, low=0, infinite=True
    )
    price_yuan_per_gb: Floats = column(
        "origin destination", np.float64, "yuan/GB", default=0.0, low=0
    )
    delay_ms: Floats = column("origin destination", np.float64, "ms one way", low=0, infinite=True)
    latency_rule: str = "one_way"

    def check(self) -> None:
        """Square, and the latency rule known; then the diagonal is made free and unlimited."""
        if self.delay_ms.shape[0] != self.delay_ms.shape[1]:
            message = (
                f"corridors.delay_ms has shape {self.delay_ms.shape}, needed (n_sites, n_sites)"
            )
            raise InvalidProblemError(message, "corridors.delay_ms")
        rule_of("corridors.latency_rule", self.latency_rule, LATENCY_RULES)
        here = np.arange(len(self.delay_ms))
        for name, free in (("bandwidth_gb", np.inf), ("price_yuan_per_gb", 0.0)):
            freed = getattr(self, name).copy()
            freed[here, here] = free
            object.__setattr__(self, name, sealed(freed))

    @property
    def latency_ms(self) -> Floats:
        """The latency that limits of jobs are compared with, (n_sites, n_sites), by the rule."""
        return self.delay_ms * (2.0 if self.latency_rule == "round_trip" else 1.0)


def great_circle_km(latitude: Floats, longitude: Floats) -> Floats:
    """Distance in km between all pairs of points given in degrees, shape (n, n).

    Examples
    --------
    >>> import numpy as np
    >>> chongqing_hami = great_circle_km(np.array([29.6, 42.8]), np.array([106.5, 93.5]))
    >>> round(float(chongqing_hami[0, 1]), -2)
    1900.0
    """
    lat, lon = np.radians(latitude), np.radians(longitude)
    half = np.sin((lat[:, None] - lat) / 2) ** 2
    half += np.cos(lat[:, None]) * np.cos(lat) * np.sin((lon[:, None] - lon) / 2) ** 2
    return np.asarray(2 * 6371.0 * np.arcsin(np.sqrt(np.minimum(half, 1.0))))


def one_way_ms(distance_km: Floats, *, route_factor: float = 1.5, fixed_ms: float = 0.5) -> Floats:
    """Delay of light in fibre, 200 km per ms, on a route longer than the great circle."""
    return distance_km * (route_factor / 200.0) + fixed_ms
