"""Energy by site and hour: what each site can use, at what price, and what it can store."""

from __future__ import annotations

import dataclasses
from typing import ClassVar

import numpy as np

from .column import Bools, Floats, Table, column
from .value_checks import LEAST_EFFICIENCY, labels_of, price_of, rule_of

__all__ = ["EXPORTED_CERTIFICATES", "TERMINAL_RULES", "Energy"]

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
