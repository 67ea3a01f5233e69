"""The examples run as their docstrings say, on the real data where it is."""

import datetime as dt
import gzip
import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest

from gridcompute import grid

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"


def load(name):
    """An example as a module; one may import another, as it does when run."""
    if str(EXAMPLES) not in sys.path:
        sys.path.append(str(EXAMPLES))
    spec = importlib.util.spec_from_file_location(f"example_{name}", EXAMPLES / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def real_day():
    return load("real_day")


def write(path, lines):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress("\n".join(lines).encode()))


def ran(real_day, capsys, tmp_path, *arguments):
    """What a run prints; it must have verified its plan and written its page."""
    code = real_day.main(["--verify", "--out", str(tmp_path / "out"), *arguments])
    out = capsys.readouterr().out
    assert code == 0, out
    assert "certificate: valid" in out
    assert "Green energy, four numbers" in out
    assert "<svg" in (tmp_path / "out" / "real_day.html").read_text(encoding="utf-8")
    return out


def test_real_day_on_a_small_trace(real_day, tmp_path, capsys):
    """If this fails, the example is broken where the published files are not at hand."""
    jobs = [
        f"2017-10-09 {h:02d}:0{m}:00,{1800 * (1 + m)},{1 + m}" for h in range(24) for m in (0, 3)
    ]
    write(
        tmp_path / "traces/philly/philly.csv.gz",
        ["timestamp,duration,num_gpus", *jobs],
    )
    hours = [(dt.datetime(2022, 7, 19) + dt.timedelta(hours=h), h) for h in range(72)]
    zone = [f"{when},{300 + h % 24},{40 + h % 24}" for when, h in hours]
    head = "datetime_utc,ci_direct_g_per_kwh,renewable_pct"
    write(tmp_path / real_day.ZONE.format(zone="XX"), [head, *zone])
    price = [f"{when},{50 + h % 24}" for when, h in hours]
    write(tmp_path / real_day.PRICES.format(zone="XX"), ["datetime_utc,usd_per_mwh", *price])
    data = ("--data", str(tmp_path), "--zone", "XX")
    assert "48 jobs" in ran(real_day, capsys, tmp_path, *data)
    with pytest.raises(SystemExit, match="has no hour of 2021-01-01"):
        real_day.main([*data, "--date", "2021-01-01"])
    with pytest.raises(SystemExit, match=r"not here: .*pai-100k"):
        real_day.main([*data, "--trace", "pai"])


@pytest.mark.parametrize(
    ("trace", "jobs"),
    [
        ("philly", "80"),
        pytest.param("pai", "80", marks=pytest.mark.slow),
        pytest.param("gavel", "80", marks=pytest.mark.slow),
    ],
)
def test_real_day(real_day, tmp_path, capsys, trace, jobs):
    """If this fails, the platform no longer runs on published traces and a real grid's hours."""
    out = ran(real_day, capsys, tmp_path, "--trace", trace, "--jobs", jobs, "--gap", "0.3")
    assert f"{int(jobs):,} jobs, " in out


@pytest.fixture(scope="module")
def inventory():
    return load("inventory")


@pytest.fixture(scope="module")
def data(inventory):
    return inventory.DATA


def test_the_inventory_is_lent_in_whole_nodes(inventory, data):
    """If this fails, half a node is lent, or the trace is read short."""
    assert len(inventory.read_trace(data)["gpus"]) == 82_247
    kinds = inventory.read_kinds(data)
    assert kinds.gpus.sum() == 10_412
    assert (np.diff(kinds.speed) >= 0).all()
    assert kinds.speed[0] == 1.0
    lent = inventory.lend(kinds, 20_000, 24)
    assert (lent.gpus % lent.node_gpus == 0).all()
    assert 24 * (lent.gpus * np.floor(lent.speed)).sum() >= 20_000
    assert (lent.gpus <= kinds.gpus).all()


@pytest.mark.slow
def test_the_mandates_rules_differ_in_kind(monkeypatch, capsys):
    """If this fails, the rules no longer do what the page on green accounting says of them.

    A gap of 0.15 ends each solve after its first dive: few jobs in gangs leave a wide gap anyway.
    """
    monkeypatch.setattr("sys.argv", ["mandate_rules.py", "--jobs", "500", "--gap", "0.15"])
    load("mandate_rules").main()
    out = capsys.readouterr().out
    assert "90 % hourly, operator" in out
    assert "certificates move no job" in out


@pytest.fixture(scope="module")
def live_trace():
    return load("live_trace")


def plays(live_trace, tmp_path, capsys, *arguments):
    """What the example says, once it has drawn its picture."""
    assert live_trace.main([*arguments, "--out", str(tmp_path)]) == 0
    assert (tmp_path / "live_trace.png").read_bytes().startswith(b"\x89PNG")
    return capsys.readouterr().out


def test_live_trace(live_trace, data, tmp_path, capsys):
    """If this fails, live matching no longer plays the real trace."""
    out = plays(live_trace, tmp_path, capsys, "--data", str(data), "--days", "1", "--step", "15")
    assert "Philly from 2017" in out
    assert "the last answer is certified" in out


def test_live_trace_says_what_is_invented(live_trace, tmp_path, capsys):
    """Where the data is not, invented jobs are asked for by name, and named so."""
    out = plays(live_trace, tmp_path, capsys, "--synthetic", "--days", "1", "--step", "30")
    assert "SYNTHETIC jobs" in out
    assert live_trace.main(["--data", str(tmp_path)]) == 2
    assert "--synthetic" in capsys.readouterr().out


def test_live_trace_conserves_work_and_room(live_trace):
    """A job lost, run twice, or a slot taken twice would make all its figures wrong."""
    trace, kinds, price = live_trace.synthetic(12)
    pieces = live_trace.pieces_of(trace, 0, 12)
    parts = np.minimum(8, trace["gpus"]) * -(-trace["gpus"] // 8)
    assert pieces.gpus.sum() == trace["gpus"].sum() == parts.sum()
    slots = live_trace.cut(kinds._replace(gpus=kinds.node_gpus * 3), pieces)
    assert (slots.width * slots.room).sum() == (kinds.node_gpus * 3).sum()
    worlds = [live_trace.World(pieces, slots, price) for _ in range(2)]
    moved = 0
    for k in range(48):
        (m, _), (again, _) = [world.round(k * 0.25, 0.25) for world in worlds]
        assert m.objective == again.objective
        world = worlds[0]
        assert np.array_equal(world.home, worlds[1].home)
        running = world.live & (world.home >= 0)
        assert (np.bincount(world.home[running], minlength=len(slots.room)) <= slots.room).all()
        assert (slots.width[world.home[running]] >= pieces.gpus[running]).all()
        over = ~world.live[: world.arrived]
        assert (world.left_h[: world.arrived][over] <= 0).all()
        assert len(world.matcher) == world.live.sum()
        moved += int((m.changes["kind"] == "MOVE").sum())
        assert (m.changes["kind"] != "EVICT").all()
    assert moved
    assert over.any()
    assert (world.live & (world.home < 0)).any()
    assert world.matcher.match().verify().valid


def test_packing_draws_where_fragments_build_up(tmp_path, capsys):
    """If this fails, the picture of fragments is broken, or prices strand more than FGD there."""
    packing_fragments = load("packing_fragments")
    assert packing_fragments.main(["--out", str(tmp_path)]) == 0
    allocated = [
        float(line.split()[1]) for line in capsys.readouterr().out.splitlines()[:2]
    ]  # fgd, price
    assert allocated[1] > allocated[0]
    svg = (tmp_path / "packing_fragments.svg").read_text(encoding="utf-8")
    assert svg.count("<polygon") == 6
    assert "nan" not in svg


def test_the_grid_hands_its_hours_to_the_packer(capsys):
    """If this fails, a plan in milli of devices can't be packed, or jobs get lost between them."""
    assert load("packing_grid_hour").main(["--jobs", "150"]) == 0
    last = capsys.readouterr().out.splitlines()[-1]
    placed, _, planned = last.split()[:3]
    assert int(placed) >= 0.95 * int(planned) > 0, last


def test_grid_operator_runs_and_goes_on_after_an_interruption(tmp_path, capsys):
    """If this fails, the operator's example is broken, or forgets its hours."""
    example = load("grid_operator")
    arguments = ["--jobs", "120", "--hours", "6", "--horizon", "5", "--seconds", "0"]
    arguments += ["--hour-work", "40_000", "--snapshot", str(tmp_path / "operator.bin")]
    assert example.main([*arguments, "--out", str(tmp_path / "out")]) == 0
    assert "6 hours" in capsys.readouterr().out
    page = (tmp_path / "out" / "operator.html").read_text(encoding="utf-8")
    assert "Regret by the hour" in page
    assert example.main([*arguments, "--out", str(tmp_path / "out")]) == 0
    assert "goes on from hour 6" in capsys.readouterr().out


def test_jobs_are_booked_a_day_ahead_and_planned_over_that_day():
    """If this fails, the operator's example shows a default world in which the method looks bad.

    Where jobs come unannounced a day costs three times as much above the bound as with booked ones.
    """
    example = load("grid_operator")
    args = example.options().parse_args([])
    assert args.ahead == args.horizon == 24
    _, jobs = example.week(300, 72, args.seed)
    first, later = (example.booked(jobs, hour, args.ahead) for hour in (0, 1))
    assert first["release"].max() == args.ahead, "the first day is known when the run begins"
    assert set(later["release"].tolist()) == {args.ahead + 1}
    known = [example.booked(jobs, hour, args.ahead) for hour in range(72)]
    assert sum(len(new["gang"]) for new in known if new) == len(jobs), "none is lost, none twice"
    alone = example.booked(jobs, 30, 0)
    assert alone is None or set(alone["release"].tolist()) == {30}


def test_corridor_worth(tmp_path, capsys):
    """If this fails, the command for the corridor's worth is broken, or prints no answer."""
    example = load("corridor_worth")
    out = tmp_path / "figure.svg"
    example.main(["--jobs", "150", "--gap", "0.5", "--stages", "planned", "--out", str(out)])
    said = capsys.readouterr().out
    assert said.count("| as planned |") == 4
    assert "not resolved" in said, "at such a gap the bounds resolve nothing of it"
    assert "<svg" in out.read_text(encoding="utf-8")


def test_more_contracts_do_not_make_the_line_dearer():
    """If this fails, the worth with contracts as in the west counts the line's price again."""
    example = load("corridor_worth")
    problem = grid.east_west(n_jobs=20, seed=1, bill="full")
    more = example.contracted(problem)
    at = problem.sites.name.tolist().index(example.NEAR)
    paid = []
    for energy in (problem.energy, more.energy):
        plain = grid.east_west(n_jobs=20, seed=1).energy.bundled_yuan_per_kwh[at]
        paid.append((energy.bundled_yuan_per_kwh[at] - plain) * energy.bundled_kwh[at])
    assert (more.energy.bundled_kwh[at] > problem.energy.bundled_kwh[at]).all()
    assert paid[0].sum() > 0
    np.testing.assert_allclose(*paid)
