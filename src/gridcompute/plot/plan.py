"""Pictures of a plan: load, prices, energy, corridors, the mandate, jobs over time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from .. import _checks
from ..errors import InvalidProblemError
from .axes import COLOURS, GREEN, GREY, energy_unit, hour_axis, new_axes, styles_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

    from ..grid.plan.plan import Plan

__all__ = ["PlanPlots"]

#: The sources of a site's load, bottom to top: column of the dispatch, words, colour.
SOURCES = (
    ("direct_kwh", "direct", GREEN),
    ("bundled_kwh", "bundled green", "#56b4e9"),
    ("green_discharge_kwh", "green from battery", "#9fd8c3"),
    ("grid_kwh", "grid", "#999999"),
    ("grey_discharge_kwh", "grid from battery", "#cccccc"),
)


class PlanPlots:
    """The pictures of a `grid.Plan`, as ``plan.plot``.

    Hours begin at their number; where the problem has a start, they are labelled with times.
    """

    def __init__(self, plan: Plan) -> None:
        self._plan = plan

    def load(self, *, ax: Any = None) -> Any:
        """Draw the load of each site by the hour, stacked, in kWh, MWh or GWh.

        Parameters
        ----------
        ax : matplotlib Axes, optional
            Where to draw; new axes by default.

        Returns
        -------
        matplotlib Axes

        Examples
        --------
        >>> import gridcompute as gc
        >>> plan = gc.match(gc.grid.east_west(n_jobs=50, seed=0), gap=0.5)
        >>> plan.plot.load().get_ylabel()
        'load, kWh'
        """
        names = self._names
        load, unit = _scaled(self._plan.dispatch.load_kwh)
        ax = new_axes(ax)
        styles = styles_of(len(names))
        layers = self._stack(ax, load, names, [style.colour for style in styles])
        for layer, style in zip(layers, styles, strict=True):
            layer.set(hatch=style.hatch, edgecolor="white", linewidth=0.5)
        self._legend(ax, len(names))
        ax.set_ylabel(f"load, {unit}")
        return ax

    def prices(self, *, ax: Any = None) -> Any:
        """Draw what a kWh of load is worth at each site by the hour, carbon and mandate included.

        Parameters
        ----------
        ax : matplotlib Axes, optional
            Where to draw; new axes by default.

        Returns
        -------
        matplotlib Axes
        """
        prices, names = self._plan.prices.energy, self._names
        ax = new_axes(ax)
        hours = np.arange(prices.shape[1] + 1)
        for name, row, style in zip(names, prices, styles_of(len(names)), strict=True):
            look = {"color": style.colour, "linestyle": style.line, "label": name}
            ax.step(hours, np.append(row, row[-1:]), where="post", **look)
        self._hours(ax)
        ax.set_ylabel("price of energy, yuan/kWh")
        self._legend(ax, len(names))
        return ax

    def energy(self, *, site: int | str | None = None, ax: Any = None) -> Any:
        """Draw what carries the load by the hour, stacked, in kWh, MWh or GWh.

        Parameters
        ----------
        site : int or str, optional
            One site, by number or name; all by default.
        ax : matplotlib Axes, optional
            Where to draw; new axes by default.

        Returns
        -------
        matplotlib Axes
        """
        rows = slice(None) if site is None else [self._site(site)]
        d = self._plan.dispatch
        series = []
        for name, _, _ in SOURCES:
            values = getattr(d, name)
            by_site = values.sum(axis=0) if values.ndim == 3 else values
            series.append(by_site[rows].sum(axis=0))
        scaled, unit = _scaled(np.array(series))
        ax = new_axes(ax)
        self._stack(ax, scaled, [s[1] for s in SOURCES], [s[2] for s in SOURCES])
        self._legend(ax, len(SOURCES))
        ax.set_ylabel(f"load carried, {unit}")
        ax.set_title("all sites" if site is None else self._names[self._site(site)])
        return ax

    def corridors(self, *, ax: Any = None) -> Any:
        """Draw the data sent between each pair of sites, in GB, and the share of the bandwidth.

        Parameters
        ----------
        ax : matplotlib Axes, optional
            Where to draw; new axes by default.

        Returns
        -------
        matplotlib Axes
            A cell for each origin and destination, coloured by GB; a cell of a corridor that is
            used says the percent of its bandwidth.
        """
        problem, t, names = self._plan.problem, self._plan.table(), self._names
        data = problem.jobs.data_gb[t["job"]]
        origin = problem.jobs.origin[t["job"]]
        away = origin != t["site"]
        sent = np.zeros((len(names), len(names)))
        np.add.at(sent, (origin[away], t["site"][away]), data[away])
        room = problem.corridors.bandwidth_gb.sum(axis=2)
        ax = new_axes(ax, size=(6.4, 5.4))
        image = ax.imshow(sent, cmap="Blues", vmin=0)  # white where nothing is sent
        for o, s in np.argwhere(sent > 0).tolist():
            used = sent[o, s] / room[o, s] if room[o, s] > 0 else np.nan
            share = "-" if np.isnan(used) else f"{used:.0%}" if used >= 0.005 else "<1%"
            dark = sent[o, s] > 0.5 * sent.max()
            colour = "white" if dark else "black"
            ax.text(s, o, share, ha="center", va="center", fontsize="x-small", color=colour)
        ax.set_xticks(np.arange(len(names)), names, rotation=45, ha="right")
        ax.set_yticks(np.arange(len(names)), names)
        ax.set_xlabel("runs at")
        ax.set_ylabel("data from")
        ax.figure.colorbar(image, ax=ax, label="data sent, GB")
        return ax

    def mandate(self, *, ax: Any = None) -> Any:
        """Draw three shares of green power at each site beside the share that is asked for.

        Parameters
        ----------
        ax : matplotlib Axes, optional
            Where to draw; new axes by default.

        Returns
        -------
        matplotlib Axes
            Bars are percent of a site's load: as claimed under statute (N1), green in its own hour
            (N2), carbon-free in its own hour (N3). Sites without load have none.
        """
        plan, names = self._plan, self._names
        green, share = plan.green, plan.problem.mandate.share
        ax = new_axes(ax)
        kinds = [("n1_statutory", "claimed (N1)"), ("n2_hourly", "green by the hour (N2)")]
        kinds += [("n3_cfe", "carbon-free by the hour (N3)")]
        for k, (name, words) in enumerate(kinds):
            values = np.where(green["load_kwh"] > 0, 100 * green[name], np.nan)
            at = np.arange(len(names)) + 0.27 * (k - 1)
            ax.bar(at, values, width=0.27, label=words, color=COLOURS[k])
        if share > 0:
            ax.axhline(100 * share, color=GREY, linestyle="--", label=f"asked for: {share:.0%}")
        ax.set_xticks(np.arange(len(names)), names, rotation=45, ha="right")
        ax.set_ylabel("share of load, %")
        ax.set_ylim(0, 140)  # room for the legend
        ax.set_yticks(np.arange(0, 101, 20))
        ax.legend(frameon=False, fontsize="small", ncols=2, loc="upper center")
        return ax

    def timeline(self, jobs: ArrayLike, *, ax: Any = None) -> Any:
        """Draw when and where some jobs run, a row each, from release to deadline and as planned.

        Parameters
        ----------
        jobs : array of int
            Rows of the jobs table.
        ax : matplotlib Axes, optional
            Where to draw; new axes by default.

        Returns
        -------
        matplotlib Axes
            The thin line is the window in which a job may run, the bar its hours, with the site's
            name; an unplaced job has no bar, and its reason.

        Raises
        ------
        InvalidProblemError
            There is no such job.
        """
        plan, problem = self._plan, self._plan.problem
        rows = _rows(jobs, len(problem.jobs))
        names, reasons = self._names, plan.reasons
        styles = styles_of(len(names))
        ax = new_axes(ax, size=(7.0, 1.2 + 0.28 * min(len(rows), 60)))
        # Words cover the line of the window, so that they can be read.
        behind = {"facecolor": ax.get_facecolor(), "edgecolor": "none", "pad": 0.5}
        words = {"va": "center", "fontsize": "x-small", "bbox": behind}
        for y, j in enumerate(rows.tolist()):
            window = problem.jobs.release[j], problem.jobs.deadline[j]
            ax.plot(window, (y, y), color=GREY, linewidth=1.0, solid_capstyle="butt")
            klass = int(plan.assignment[j])
            if klass < 0:
                ax.text(window[0], y, f" {reasons.get(j, '')}", **words)
                continue
            site = int(problem.classes.site[klass])
            edges = np.flatnonzero(np.diff(plan.busy(j).astype(np.int8), prepend=0, append=0))
            for begin, end in edges.reshape(-1, 2).tolist():
                look = {"color": styles[site].colour, "hatch": styles[site].hatch}
                ax.barh(y, end - begin, left=begin, height=0.7, edgecolor="white", **look)
            ax.text(end, y, f" {names[site]}", **words)
        ax.set_yticks(np.arange(len(rows)), [str(i) for i in problem.jobs.ids[rows].tolist()])
        ax.set_ylim(max(len(rows), 1) - 0.5, -0.5)
        ax.set_ylabel("job")
        self._hours(ax)
        return ax

    @property
    def _names(self) -> list[str]:
        return [str(name) for name in self._plan.problem.sites.name]

    def _site(self, site: int | str) -> int:
        names = self._names
        if isinstance(site, str):
            return names.index(_checks.choice("site", site, names))
        return _checks.whole("site", site, 0, len(names) - 1)

    def _hours(self, ax: Any) -> None:
        problem = self._plan.problem
        times = [problem.time(h) for h in range(problem.hours)]
        labels = [t.strftime("%m-%d %H:%M") for t in times if t is not None]
        hour_axis(ax, problem.hours, labels or None)

    def _stack(self, ax: Any, rows: NDArray[Any], names: Sequence[str], colours: Any) -> Any:
        """Draw rows on top of each other, each hour from its beginning to its end."""
        at = np.repeat(np.arange(rows.shape[1] + 1), 2)[1:-1]
        layers = ax.stackplot(at, np.repeat(rows, 2, axis=1), labels=names, colors=colours)
        self._hours(ax)
        ax.set_ylim(bottom=0)
        return layers

    @staticmethod
    def _legend(ax: Any, n: int) -> None:
        place = {"loc": "center left", "bbox_to_anchor": (1.0, 0.5)}
        more = {"ncols": 1 + n // 16, "handlelength": 3.0}  # long enough to show dashes
        ax.legend(frameon=False, fontsize="small", **more, **place)


def _scaled(rows: NDArray[np.float64]) -> tuple[NDArray[np.float64], str]:
    """Return rows of kWh in the unit in which the highest stack is 1 to 1,000, and its name."""
    top = float(rows.sum(axis=0).max(initial=0.0))
    factor, unit = energy_unit(top)
    return rows / factor, unit


def _rows(jobs: ArrayLike, n: int) -> NDArray[np.int64]:
    rows = np.atleast_1d(_checks.plain_array("jobs", jobs))
    if rows.dtype.kind not in "iu" and rows.size:
        raise TypeError(f"jobs must be of an integer dtype, not {rows.dtype}")
    for k in np.flatnonzero((rows < 0) | (rows >= n))[:1].tolist():
        raise InvalidProblemError(f"jobs[{k}]: found {rows[k]}, needed 0 to {n - 1}", "jobs", k)
    return rows.astype(np.int64)
