"""Pictures, judged by what was drawn: labels, units and values, never by pixels."""

from dataclasses import replace
from functools import cache
from itertools import combinations

import numpy as np
import pytest

import gridcompute as gc
from gridcompute import InvalidProblemError
from gridcompute.plot.axes import styles_of

plt = pytest.importorskip("matplotlib.pyplot")
to_rgb = pytest.importorskip("matplotlib.colors").to_rgb


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")


@cache
def plan():
    problem = gc.grid.east_west(n_jobs=400, seed=1)
    return gc.match(problem, gap=0.2, time_limit=20)


def labels(axis):
    return [tick.get_text() for tick in axis.get_ticklabels()]


def test_load_is_each_sites_megawatt_hours():
    """If this fails, the picture shows another load than the plan's, or no unit."""
    ax = plan().plot.load()
    assert ax.get_ylabel() == "load, kWh"
    assert ax.get_xlabel() == "hour"
    assert ax.get_xlim() == (0, 24)
    names = [text.get_text() for text in ax.get_legend().get_texts()]
    assert names == plan().problem.sites.name.tolist()
    load = plan().dispatch.load_kwh
    top = max(layer.get_paths()[0].vertices[:, 1].max() for layer in ax.collections)
    assert top == pytest.approx(load.sum(axis=0).max())
    assert len(ax.collections) == len(load)


def test_twelve_sites_look_different_to_any_eye():
    """If this fails, two sites have one look to those who cannot tell red from green, or have
    neighbouring shades of one colour."""
    looks = [(style.colour, style.line, style.hatch) for style in styles_of(32)]
    assert len(set(looks)) == 32
    # Machado and others (2009), full protanopia, deuteranopia and tritanopia, on linear RGB.
    eyes = [
        [[0.152, 1.053, -0.205], [0.115, 0.786, 0.099], [-0.004, -0.048, 1.052]],
        [[0.367, 0.861, -0.228], [0.280, 0.673, 0.047], [-0.012, 0.043, 0.969]],
        [[1.256, -0.077, -0.179], [-0.078, 0.931, 0.148], [0.005, 0.691, 0.304]],
    ]
    linear = np.array([np.array(to_rgb(style.colour)) ** 2.2 for style in styles_of(12)])
    for eye in eyes:
        seen = np.clip(linear @ np.array(eye).T, 0, 1) ** (1 / 2.2)
        for a, b in combinations(range(12), 2):
            plain = looks[a][1:] == looks[b][1:]
            assert not plain or np.abs(seen[a] - seen[b]).max() > 0.08, (eye, a, b)
    ax = plan().plot.load()
    drawn = [(tuple(layer.get_facecolor()[0]), layer.get_hatch()) for layer in ax.collections]
    assert len(set(drawn)) == 12, drawn
    lines = plan().plot.prices().get_lines()
    assert len({(line.get_color(), line.get_linestyle()) for line in lines}) == 12


def test_units_grow_with_the_load():
    """If this fails, a large fleet is drawn in numbers of seven digits, or by a wrong factor."""
    from gridcompute.plot.plan import _scaled

    for kwh, unit, shown in ((999.0, "kWh", 999.0), (1e3, "MWh", 1.0), (2e6, "GWh", 2.0)):
        rows, name = _scaled(np.array([[kwh / 2, 0.0], [kwh / 2, 1.0]]))
        assert (name, rows[:, 0].sum()) == (unit, shown)
    assert _scaled(np.zeros((0, 3)))[1] == "kWh"


def test_energy_is_what_carries_the_load():
    d = plan().dispatch
    ax = plan().plot.energy()
    top = max(layer.get_paths()[0].vertices[:, 1].max() for layer in ax.collections)
    assert top == pytest.approx(d.load_kwh.sum(axis=0).max())
    assert [layer.get_label() for layer in ax.collections][:2] == ["direct", "bundled green"]
    site = int(d.load_kwh.sum(axis=1).argmax())
    name = str(plan().problem.sites.name[site])
    for which in (site, name, np.int64(site)):
        one = plan().plot.energy(site=which)
        assert one.get_title() == name
        top = max(layer.get_paths()[0].vertices[:, 1].max() for layer in one.collections)
        assert top == pytest.approx(d.load_kwh[site].max())
    with pytest.raises(InvalidProblemError, match="site: found 'Atlantis'"):
        plan().plot.energy(site="Atlantis")
    with pytest.raises(InvalidProblemError, match="site: found 99, needed 0 to 11"):
        plan().plot.energy(site=99)


def test_prices_are_steps_of_each_site():
    ax = plan().plot.prices()
    assert ax.get_ylabel() == "price of energy, yuan/kWh"
    assert [line.get_label() for line in ax.get_lines()] == plan().problem.sites.name.tolist()
    for line, row in zip(ax.get_lines(), plan().prices.energy, strict=True):
        np.testing.assert_allclose(line.get_ydata()[:-1], row)
        assert line.get_drawstyle() == "steps-post"


def test_corridors_are_the_gigabytes_sent():
    ax = plan().plot.corridors()
    t, problem = plan().table(), plan().problem
    away = problem.jobs.origin[t["job"]] != t["site"]
    (image,) = ax.get_images()
    total = problem.jobs.data_gb[t["job"]][away].sum()
    assert image.get_array().sum() == pytest.approx(total)
    assert len(ax.texts) == (image.get_array() > 0).sum()
    assert labels(ax.xaxis) == labels(ax.yaxis) == problem.sites.name.tolist()
    assert ax.figure.axes[1].get_ylabel() == "data sent, GB"


def test_the_mandate_is_three_shares_and_a_line():
    ax = plan().plot.mandate()
    green = plan().green
    load = green["load_kwh"] > 0
    for bars, name in zip(ax.containers, ("n1_statutory", "n2_hourly", "n3_cfe"), strict=True):
        heights = np.array([bar.get_height() for bar in bars])
        np.testing.assert_allclose(heights[load], 100 * green[name][load])
        assert np.isnan(heights[~load]).all()
    assert ax.get_lines()[0].get_ydata()[0] == 100 * plan().problem.mandate.share
    assert ax.get_ylabel() == "share of load, %"


def test_the_timeline_is_when_jobs_run():
    placed = np.flatnonzero(plan().assignment >= 0)[:5]
    out = np.flatnonzero(plan().assignment < 0)[:1]
    jobs = np.concatenate([placed, out])
    ax = plan().plot.timeline(jobs)
    bars = [container[0] for container in ax.containers]
    assert [bar.get_x() for bar in bars] == plan().start[placed].tolist()
    assert [bar.get_width() for bar in bars] == plan().hours[placed].tolist()
    windows = [line.get_xdata() for line in ax.get_lines()]
    assert [int(w[0]) for w in windows] == plan().problem.jobs.release[jobs].tolist()
    assert labels(ax.yaxis) == [str(j) for j in jobs]
    if len(out):
        assert ax.texts[-1].get_text().strip() == plan().reasons[int(out[0])]
    with pytest.raises(InvalidProblemError, match=r"jobs\[1\]: found 400, needed 0 to 399"):
        plan().plot.timeline([3, 400])
    with pytest.raises(TypeError, match="integer dtype"):
        plan().plot.timeline([0.5])
    assert not plan().plot.timeline([]).containers


def test_prices_of_a_matching_dearest_first():
    m = gc.transport([[4, 1, 9], [2, 1, 9], [5, 1, 9]], [2, 1, 1])
    ax = m.plot.prices(slots=["x", "y", "z"])
    assert [bar.get_width() for bar in ax.patches] == sorted(m.prices, reverse=True)
    assert labels(ax.yaxis)[0] == "y"
    assert ax.get_xlabel() == "price of one more slot, unit of cost"
    ax = m.plot.load()
    assert [bar.get_width() for bar in ax.containers[1]] == m.load.tolist()
    assert labels(ax.yaxis) == ["class 0", "class 1", "class 2"]
    with pytest.raises(InvalidProblemError, match="slots: found 1 names, needed 3"):
        m.plot.prices(slots=["x"])


def test_regret_by_cause():
    signal = gc.forecast.Signal([9.0, 5.0, 1.0, 4.0], "2024-01-01", [[1.0, 8.0, 9.0, 9.0]])
    jobs = {"arrival_h": [0, 0], "hours": [1, 2], "slots": [1, 1], "window_h": [2, 2]}
    r = gc.timeshift.replay(jobs, signal, policy="arrival")
    ax = r.plot.regret()
    assert labels(ax.yaxis) == list(r.regret)
    widths = [bar.get_width() for bar in ax.patches]
    np.testing.assert_allclose(widths, [100 * v / r.bound for v in r.regret.values()])
    assert sum(widths) == pytest.approx(100 * (r.cost - r.bound) / r.bound)
    assert ax.get_xlabel() == "cost above the bound, % of the bound"
    bars = r.plot.load()
    assert [bar.get_height() for bar in bars.patches] == r.load[0].tolist()


def test_a_problem_with_a_start_shows_times():
    dated = replace(plan(), problem=plan().problem.replace(start="2026-03-01T00:00+08:00"))
    ax = dated.plot.load()
    assert ax.get_xlabel() == "time"
    assert labels(ax.xaxis)[:2] == ["03-01 00:00", "03-01 02:00"]


def test_pictures_are_drawn_on_the_axes_given():
    """If this fails, pictures cannot be put side by side."""
    figure, axes = plt.subplots(2, 3)
    p = plan().plot
    for ax, draw in zip(
        axes.flat, (p.load, p.prices, p.energy, p.mandate, p.corridors), strict=False
    ):
        assert draw(ax=ax) is ax
    assert p.timeline([0], ax=axes[1, 2]) is axes[1, 2]
    assert plt.get_fignums() == [figure.number]
    figure.canvas.draw()


@cache
def operated():
    """An operator after three hours of its four."""
    problem = gc.grid.east_west(n_jobs=12, seed=1, hours=4)
    op = gc.grid.Rolling(problem, horizon_h=3, gap=2.0)
    for renewables in (1.0, 0.2, 1.3):
        op.step(actual={"renewables": renewables})
    return op


def test_the_hours_of_an_operator_are_bars():
    """If this fails, the picture of a run shows another load, or other jobs, than its books."""
    op = operated()
    ax = op.plot.load()
    bars = {container.get_label(): container for container in ax.containers}
    green = [bar.get_height() for bar in bars["green in its own hour"]]
    np.testing.assert_allclose(green, op.ledger.green_kwh.sum(axis=1))
    tops = [bar.get_y() + bar.get_height() for bar in ax.containers[-1]]
    np.testing.assert_allclose(tops, op.ledger.load_kwh.sum(axis=1))
    assert ax.get_ylabel() == "load, kWh"
    assert ax.get_xlim() == (0, 3)
    ax.figure.set_size_inches(9, 2.7)
    ax.figure.draw_without_rendering()
    legend = ax.get_legend().get_window_extent()
    over = [bar.get_window_extent().y1 for container in ax.containers for bar in container]
    assert max(over) < legend.y0, (over, legend)
    (started, *_) = op.plot.jobs().containers
    assert [bar.get_height() for bar in started] == op.history["started"].tolist()


def test_the_green_share_stands_beside_what_is_asked():
    op, lines = operated(), operated().plot.green().get_lines()
    np.testing.assert_allclose(lines[0].get_ydata()[:-1], 100 * op.ledger.green_share)
    held = op.world.mandate.applies_to(op.world.sites)
    sums = [table[:, held].sum(axis=1) for table in (op.ledger.green_kwh, op.ledger.load_kwh)]
    np.testing.assert_allclose(lines[1].get_ydata()[:-1], 100 * sums[0] / sums[1])
    assert lines[2].get_ydata()[0] == 80.0


def test_regret_of_an_operator_by_hour_and_by_cause():
    op = operated()
    seen = op.hindsight()
    (bars,) = op.plot.regret(by="hour", seen=seen).containers
    heights = [bar.get_height() for bar in bars]
    np.testing.assert_allclose(heights, op.regret_by_hour(seen))
    ax = op.plot.regret()
    assert [bar.get_width() for bar in ax.patches] == list(op.regret.values())
    assert labels(ax.yaxis) == list(op.regret)
    with pytest.raises(InvalidProblemError, match="by: found 'day'"):
        op.plot.regret(by="day")


def test_pictures_of_an_operator_before_its_first_hour():
    """If this fails, a page that draws a run from its beginning ends with an error."""
    op = gc.grid.Rolling(gc.grid.east_west(n_jobs=5, seed=0, hours=3))
    for ax in (op.plot.load(), op.plot.green(), op.plot.jobs()):
        assert ax.get_xlim() == (0, 1)
