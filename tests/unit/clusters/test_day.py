"""Hours of real clusters: the commands, the page, the metrics, and what is left when they end."""

import dataclasses
import importlib.util
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path
from types import SimpleNamespace

import pytest

import gridcompute as gc
import slurm_clusters
from gridcompute.cli import app
from gridcompute.cli import clusters as cli
from gridcompute.clusters import account, operator, server
from gridcompute.clusters.config import read_config
from gridcompute.clusters.planning import GridTables
from gridcompute.clusters.reconcile import log
from gridcompute.clusters.server import served
from gridcompute.errors import InvalidProblemError
from gridcompute.grid.operations import rolling
from gridcompute.grid.planner import match as planner
from unit.clusters.operator_world import SECONDS, SITES, Trial, World, configured

ROOT = Path(__file__).resolve().parents[3]


def command(capsys, *words, status=0):
    """Run a command line and return what it prints."""
    assert app.run(list(words)) == status, capsys.readouterr().err
    return capsys.readouterr().out


def processes(word):
    """Processes whose command line has a word."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            text = path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if word in text and path.parent.name != str(os.getpid()):
            found.append(text)
    return found


def test_a_morning_on_this_machine(tmp_path, capsys, monkeypatch):
    """If this fails, `make operate` does, or something is left behind when it ends."""
    spec = importlib.util.spec_from_file_location("day", ROOT / "examples/operate_day.py")
    day = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(day)
    threads = threading.active_count()
    out, options = tmp_path / "out", ["--hours", "2", "--seconds", "2", "--jobs", "6"]
    assert day.main(["--out", str(out), *options]) == 0
    assert threading.active_count() == threads
    links = [os.path.realpath(path) for path in Path("/proc/self/fd").iterdir()]
    assert not [link for link in links if link.startswith(str(out))]
    capsys.readouterr()
    config = ("-c", str(out / "grid.toml"))
    states = []
    for _ in range(20):  # on a machine that is busy an hour more, or a few
        queue = json.loads(command(capsys, "queue", *config, "--json"))
        states = [job["state"] for job in queue["jobs"]]
        if states == ["done"] * 6:
            break
        command(capsys, "operate", *config, "--steps", "1", "--quiet")
    assert states == ["done"] * 6, queue
    assert all(cluster["answers"] for cluster in queue["clusters"])
    totals = queue["totals"]
    assert 0 < totals["green_kwh"] <= totals["load_kwh"]
    assert totals["accelerator_h"] > 0
    job = queue["jobs"][0]
    assert job["planned_h"] <= job["start_h"] < job["end_h"]
    why = command(capsys, "why", *config, job["id"])
    assert job["site"] in why
    assert "yuan" in why
    assert job["id"] in command(capsys, "queue", *config, "--all")
    assert "done already" in command(capsys, "cancel", *config, job["id"])
    command(capsys, "why", *config, "zzzzzz-9", status=2)
    page = (out / "operator.html").read_text()
    for word in ("Chongqing", "Hami", "Load against green supply", "80% asked", job["id"]):
        assert word in page
    assert (out / "operator.html").stat().st_mode & 0o777 == 0o600
    assert not list(out.glob("operator.sqlite-*")), "files of the journal are left"
    assert not processes(str(out)), "a process is left"
    ledger = gc.clusters.Operator(out / "grid.toml")
    with ledger:
        lines = [row["line"] for row in ledger.state.rows("SELECT line FROM hours ORDER BY hour")]
    (tmp_path / "ledger.jsonl").write_text("".join(lines))
    kept = gc.grid.Ledger.read(tmp_path / "ledger.jsonl")
    load = sum(sum(entry.load_kwh) for entry in kept.entries)
    assert load == pytest.approx(totals["load_kwh"])


@pytest.fixture
def config(tmp_path):
    return configured(tmp_path)


def submitted(op, n, **more):
    row = {"script": str(op.config.path.parent / "job.sh"), "hours": 1.0, "from": "Hami", **more}
    ids = op.submit(table=[row] * n)
    now = op.world.clock
    op.state.run("UPDATE jobs SET submitted = ?, deadline = ? + within_h * 10", now, now)
    return ids


def test_what_others_run_is_not_planned_on(config):
    """If this fails, jobs are sent to a cluster that another user has filled, and wait there."""
    world = World()
    with Trial(config, world, quick=False) as op:
        op.config = dataclasses.replace(op.config, plan_s=5.0)
        submitted(op, 3, accelerators=8, within="1h", accelerator="A800")
        world.clusters["Chongqing"].add("", 0, 16, 1000.0, 25.0)  # all, for 2.5 hours
        op.tick()
        assert "<td>16</td>" in op.page.decode(), "needed: what others take"
        assert not op.state.rows("SELECT 1 FROM runs")
        late = [job["why"] for job in op.queue()["jobs"]]
        assert all("A800 at Chongqing from hour" in why or "not in the plan" in why for why in late)
        world.clusters["Chongqing"].end("1", "done")
        world.pass_(1.0)
        op.tick()
        assert 1 <= len(op.state.rows("SELECT 1 FROM runs WHERE count = 8")) <= 2  # two nodes
        assert "too late for its deadline" in op.queue()["jobs"][0]["why"]


def test_nodes_that_are_gone_are_not_planned_on(config):
    """If this fails, plans name accelerators that are down, or a running job breaks the plan."""
    world = World()
    with Trial(config, world, quick=False) as op:
        wanted = {"accelerator": "A800", "delay_yuan_per_h": 1e6}
        (job,) = submitted(op, 1, accelerators=8, hours=3.0, **wanted)
        op.tick()
        op.tick()
        assert op.state.job(job)["state"] == "running"
        world.clusters["Chongqing"].nodes = []  # under the job, which runs on
        world.clusters["Chongqing"].length["1"] = 30.0
        (other,) = submitted(op, 1, accelerators=4, accelerator="A800")
        world.pass_(1.0)
        op.tick()
        assert op.state.job(job)["state"] == "running"
        assert op.state.job(other)["state"] == "waiting"
        assert "it cannot run: " in op.state.job(other)["why"]
        told = [row["words"] for row in op.state.rows("SELECT words FROM events")]
        assert any("nodes are now" in words for words in told)


def test_a_mark_in_the_job_of_another_user_is_only_a_comment(config):
    """If this fails, whoever copies a job's mark says how that job has ended."""
    world = World()
    with Trial(config, world) as op:
        (job,) = submitted(op, 1)
        op.tick()
        op.tick()
        for cluster in world.clusters.values():
            for name, seen in cluster.table.items():
                cluster.table[name] = dataclasses.replace(seen, user="eve", state="done")
        op.tick()
        assert op.state.job(job)["state"] == "failed", op.state.job(job)


def test_gangs_beyond_a_node_take_whole_nodes_or_are_not_planned(config):
    """If this fails, a gang is sent that no cluster starts."""
    world = World()
    with Trial(config, world, quick=False) as op:
        fits, odd = submitted(op, 1, accelerators=16)[0], submitted(op, 1, accelerators=9)[0]
        op.tick()
        assert op.state.job(fits)["site"] is not None
        assert op.state.job(odd)["site"] is None
        assert "FamilyUnsupported" in op.state.job(odd)["why"]


def test_tables_that_change_are_read_again(config):
    """If this fails, a new forecast has no effect until somebody starts the operator again."""
    world = World()
    with Trial(config, world) as op:
        op.tick()
        problem = gc.grid.east_west(n_jobs=1, seed=4, hours=12)
        gc.grid.write_problem(problem, config.parent / "grid", format="parquet")
        world.pass_(1.0)
        op.tick()
        assert op.tables.world.energy.direct_kwh[0, 10, 11] == problem.energy.direct_kwh[0, 10, 11]
        (config.parent / "grid" / "problem.json").write_text("{")
        world.pass_(1.0)
        op.tick()
        told = [row["words"] for row in op.state.rows("SELECT words FROM events ORDER BY rowid")]
        assert "the tables were read again" in told
        assert any("cannot be read again" in words for words in told)


def test_after_the_last_hour_of_the_tables_nothing_is_planned(config):
    """If this fails, the operator dies at the end of its tables, and with it the account."""
    world = World()
    with Trial(config, world) as op:
        op.tick()
        world.pass_(30.0)
        op.tick()
        told = [row["words"] for row in op.state.rows("SELECT words FROM events ORDER BY rowid")]
        assert told[-1] == "the tables end before hour 30: nothing is planned"
        assert len(op.state.rows("SELECT 1 FROM hours")) == 12


def test_what_rounding_leaves_above_a_store_stops_no_plan(config):
    """If this fails, an operator stops for good once a full store is a last bit too full."""
    world = World()
    with Trial(config, world) as op:
        op.tick()
        world.pass_(1.0)
        op.tick()
        account, battery = op._account, op.tables.world.energy.battery_kwh
        for part in [k / 997 for k in range(998)]:
            green = battery * part
            grey = battery * (1 + 1e-15) - green
            account.records[-1] |= {"green_stored_kwh": green, "grey_stored_kwh": grey}
            stored = account.stored
            assert (sum(stored) <= battery).all(), (part, stored)
            assert (sum(stored) >= battery * (1 - 1e-12)).all(), (part, stored)


@pytest.mark.parametrize(
    ("place", "error"),
    [
        ("_step", InvalidProblemError("found a mistake")),
        ("reflect", ValueError("a bug")),
        ("_close_hours", OSError("the disk is full")),
    ],
)
def test_an_hour_that_cannot_be_planned_ends_no_loop(config, place, error, monkeypatch):
    """If this fails, one bad table leaves running jobs alone until the morning."""
    world = World()
    with Trial(config, world, GridTables(read_config(config))) as op:
        (job,) = submitted(op, 1)
        op.tick()
        op.tick()
        world.pass_(1.0)
        real, began = getattr(op, place), world.clock

        def broken(*_):
            setattr(op, place, real)
            raise error

        setattr(op, place, broken)
        clock = {"monotonic": lambda: world.clock, "sleep": lambda s: world.pass_(s / SECONDS)}
        monkeypatch.setattr(operator, "time", SimpleNamespace(**vars(time) | clock))
        monkeypatch.setattr(operator, "IDLE_PART", 0.01)
        op.operate(stop=lambda: world.clock > began + 2.5 * SECONDS)
        assert op.state.job(job)["state"] == "done"
        told = [row["words"] for row in op.state.rows("SELECT words FROM events ORDER BY rowid")]
        assert any(words.startswith("a look broke off") for words in told), told
        assert any(words.startswith("looks go on") for words in told), told


def test_idle_thoughts_end_when_the_operator_is_told_to(config, monkeypatch):
    """If this fails, an operator goes on for half an hour after it was told to end."""
    world, asked = World(), []
    with Trial(config, world, GridTables(read_config(config)), quick=False) as op:
        submitted(op, 4)
        op.tick()
        world.pass_(1.0)
        submitted(op, 4)
        op.tick()
        match = planner.match

        def watched(*arguments, progress=None, **more):
            asked.append(progress is not None and progress(None) is True)
            return match(*arguments, progress=progress, **more)

        for module in (account, rolling):
            monkeypatch.setattr(module, "match", watched)
        op.reflect(5.0, lambda: True)
        assert asked
        assert all(asked), "needed: each plan asks whether to end"


def get(url, **headers):
    request = urllib.request.Request(url, headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, answer.read().decode(), answer.headers
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode(), error.headers


def test_the_page_holds_names_as_text_and_is_served_to_its_reader_alone(
    config, tmp_path, monkeypatch
):
    """If this fails, whoever names a job writes into the operator's page, or anybody reads it."""
    world = World()
    with Trial(config, world, GridTables(read_config(config)), quick=False) as op:
        submitted(op, 2, name='<script>alert("x")</script>')
        op.state.tell(world.clock, "<img src=x onerror=alert(1)>", "<b>")
        op.tick()
        page = op.page.decode()
        assert "<script" not in page
        assert "<img" not in page
        assert "&lt;img src=x" in page
        with served(op, "127.0.0.1:0", None) as address:
            status, text, headers = get(f"http://{address}/")
            assert (status, text) == (200, page)
            assert "default-src 'none'" in headers["Content-Security-Policy"]
            status, text, _ = get(f"http://{address}/metrics")
            assert status == 200
            assert re.search(r'^gridcompute_cluster_answers\{site="Hami"\} 1$', text, re.M)
            for line in text.splitlines():
                assert re.fullmatch(r"# (HELP|TYPE) .*|gridcompute_\w+(\{[^}]*\})? \S+", line), line
            assert get(f"http://{address}/etc/passwd")[0] == 404
            assert get(f"http://{address}/", Host="localhost")[0] == 200  # as of port 80
            # A page of somebody else's that has a browser ask the loopback by another name.
            assert get(f"http://{address}/", Host="evil.example:80")[0] == 403
        token = tmp_path / "reader"
        token.touch(mode=0o600)
        token.write_text("s3cret\n")
        with served(op, "127.0.0.1:0", token) as address:
            assert get(f"http://{address}/")[0] == 401
            assert get(f"http://{address}/", Authorization="Bearer no")[0] == 401
            assert get(f"http://{address}/", Authorization="Bearer s3cret")[0] == 200
            basic = "Basic eDpzM2NyZXQ="  # x:s3cret
            assert get(f"http://{address}/", Authorization=basic)[0] == 200
        with served(op, "127.0.0.1:0", None) as address:
            host, _, port = address.partition(":")
            monkeypatch.setattr(server, "MOST_READERS", 2)
            slow = [socket.create_connection((host, int(port))) for _ in range(3)]
            slow[0].sendall(b"GET / HTTP/1.0\r\n")  # and never more
            assert slow[2].recv(9) == b"", "needed: those who wait do not take all threads"
            with (
                pytest.raises(InvalidProblemError, match="needed a free"),
                served(op, address, None),
            ):
                pass
        # It has ended, though no reader did.
        for one in slow:
            assert one.recv(9) == b""
            one.close()
        for where in ("0.0.0.0:0", "example.org:80", "8080", "127.0.0.1:x"):
            with pytest.raises(InvalidProblemError, match="serve"), served(op, where, None):
                pass


def test_words_of_others_are_only_words(config, capsys, monkeypatch):
    """If this fails, a cluster's words move a terminal's cursor, or forge a line of the log."""
    evil = "\x1b[2J\x9b2J\n2026-12-02 12:00:00,000 INFO all is well \u202e"
    world = World()
    with Trial(config, world, GridTables(read_config(config))) as op:
        (job,) = submitted(op, 1)
        op.tick()
        op.tick()
        world.pass_(0.2)
        for cluster in world.clusters.values():
            for name in cluster.table:
                cluster.end(name, "failed")
                cluster.table[name] = dataclasses.replace(cluster.table[name], words=evil)
        op.tick()
        assert evil.split()[0] in op.queue()["jobs"][0]["why"]
    words = ("-c", str(config))
    printed = [command(capsys, "queue", *words, "--all")]
    printed += [command(capsys, "queue", *words, "--json")]
    printed += [command(capsys, "why", *words, job, *more) for more in ((), ("--json",))]

    def tells(op, **_):
        op._tell(evil, evil)
        log.error("broke off: %s", evil)

    monkeypatch.setattr(operator.Operator, "operate", tells)
    monkeypatch.setattr(operator.Operator, "open", lambda _: None)
    assert app.run(["operate", *words]) == 0
    log_lines = capsys.readouterr().err
    assert not [line for line in log_lines.splitlines() if "INFO all is well" in line[:50]]
    for text in (*printed, log_lines):
        assert not set(text) & set("\x1b\x9b\u202e"), repr(text)
    assert json.loads(printed[1])["jobs"][0]["why"].count("\x9b") == 1


def test_ids_are_completed(config):
    """If this fails, people type ids letter by letter."""
    with Trial(config, World(), GridTables(read_config(config))) as op:
        ids = submitted(op, 3)
    context = SimpleNamespace(params={"config": config})
    assert cli._ids(context, ids[0][:4]) == ids[::-1]
    assert cli._ids(context, "?") == []
    assert cli._ids(SimpleNamespace(params={"config": "/nowhere"}), "") == []


# ---------------------------------------------------------------- two clusters of Slurm


@pytest.fixture(scope="module")
def slurms(tmp_path_factory):
    if slurm_clusters.lacking():
        pytest.skip(slurm_clusters.lacking())
    folder, found = tmp_path_factory.mktemp("slurm"), {}
    try:
        for site, (kind, nodes) in SITES.items():
            short = kind.lower().replace(" ", "")
            found[site] = slurm_clusters.Cluster(folder, site, len(nodes), short, nodes[0])
        yield found
    finally:
        for cluster in found.values():
            cluster.stop()


def test_two_slurm_clusters_run_every_job_once(tmp_path, slurms, capsys):
    """If this fails, real controllers, an operator that is killed and one that is restarted do."""
    path = configured(tmp_path, seconds_per_hour=2.0, plan_s=0.4)
    lines = path.read_text().split("[clusters")[0].splitlines()
    for site, (kind, _) in SITES.items():
        token = tmp_path / f"{site}.jwt"
        token.touch(mode=0o600)
        token.write_text(slurms[site].token)
        lines += [f"[clusters.{site}]", "kind = 'slurm'", f"url = '{slurms[site].url}'"]
        lines += ["user = 'root'", f"token_file = '{site}.jwt'", "allow_root = true"]
        lines += [f"accelerators = {{ '{kind}' = '{kind.lower().replace(' ', '')}' }}"]
    path.write_text("\n".join(lines) + "\n")
    (tmp_path / "job.sh").write_text("#!/bin/sh\nsleep 1\n")
    config = ("-c", str(path))
    row = f"{tmp_path / 'job.sh'},2,1,4h,Hami\n"
    (tmp_path / "jobs.csv").write_text("script,accelerators,hours,within,from\n" + row * 8)
    ids = command(capsys, "submit", *config, "--table", str(tmp_path / "jobs.csv")).split()
    begun, killed, down, gone = time.monotonic(), 0, False, False
    operate = [sys.executable, "-m", "gridcompute", "operate", *config, "--quiet"]
    operator = None
    queue = {}
    log = (tmp_path / "operate.log").open("ab")
    try:
        while time.monotonic() - begun < 180:
            if operator is None or operator.poll() is not None:
                assert operator is None or operator.returncode == -signal.SIGKILL
                operator = subprocess.Popen(operate, stderr=log)
            time.sleep(0.5)
            queue = json.loads(command(capsys, "queue", *config, "--json"))
            states = [job["state"] for job in queue["jobs"]]
            for site in slurms:
                assert not processes(slurms[site].token), "needed: no token in a command line"
            if "starting" in states and not killed:
                killed += 1
                operator.kill()
                operator.wait()
            running = [job["site"] for job in queue["jobs"] if job["state"] == "running"]
            if running and not gone:  # its node is taken away from under a job
                slurm = slurms[running[0]]
                jobs = slurm.ask("squeue", "-h", "-t", "RUNNING", "-o", "%N").split()
                for state in ("down", "resume") if jobs else ():
                    words = (f"nodename={jobs[0]}", f"state={state}", "reason=trial")
                    slurm.ask("scontrol", "update", *words)
                # A job of a second may have ended before.
                gone = "=NODE_FAIL" in slurm.ask("scontrol", "-o", "show", "jobs")
            if states.count("done") >= 2 and not down:
                down = True
                slurms["Hami"].stop("slurmctld")
                time.sleep(2)
                slurms["Hami"].controller()
            if states == ["done"] * len(ids):
                break
    finally:
        with log:
            operator.terminate()
        assert operator.wait(timeout=30) == 0
    assert [job["state"] for job in queue["jobs"]] == ["done"] * len(ids), queue
    with gc.clusters.Operator(path) as op:
        told = [row["words"] for row in op.state.rows("SELECT words FROM events")]
    assert told.count("the operator begins") == 2, told
    assert not gone or any("back in the queue" in words for words in told), told
    for site, cluster in slurms.items():  # tokens are in their files and nowhere else
        for file in tmp_path.iterdir():
            if file.is_file() and file.name != f"{site}.jwt":
                assert cluster.token.encode() not in file.read_bytes(), file
    found = {}
    for site, cluster in slurms.items():
        for line in cluster.ask("scontrol", "-o", "show", "jobs").splitlines():
            mark = re.search(r"Comment=gridcompute:(\S+)", line)
            if mark and "JobState=COMPLETED" in line:
                found.setdefault(mark[1], []).append(site)
    assert found == {job["id"]: [job["site"]] for job in queue["jobs"]}


@pytest.mark.parametrize("bound", [None, 80.0])
def test_the_page_says_so_where_hindsight_gave_up(tmp_path, bound):
    """If this fails, the bound vanishes from the page of a long run without a word."""
    from gridcompute.clusters.state import State
    from gridcompute.report.clusters_page import _tiles

    state = State(tmp_path / "state.sqlite")
    with state.change():
        totals = {"cost_yuan": 100.0, "load_kwh": 9.0, "green_kwh": 3.0}
        state.set("totals", totals | {"hindsight_bound_yuan": bound})
    name, value, note, _ = _tiles(SimpleNamespace(state=state))[-1]
    assert name == "over the bound of hindsight"
    assert (value == "-", "168 hours or 5,000 jobs" in note) == (bound is None, bound is None)
    assert bound is None or value == "+25.0%"
    state.close()
