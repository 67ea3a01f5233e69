"""What a configuration, a job or a state file may hold, and what is said of what it may not."""

import base64
import dataclasses
import json
import os
import time

import pytest

import gridcompute as gc
from gridcompute.clusters.config import ClusterConfig, read_config, read_token
from gridcompute.clusters.reconcile import adapter
from gridcompute.clusters.state import State
from gridcompute.errors import ClusterError, InvalidProblemError
from unit.clusters.operator_world import Trial, World, configured

SLURM = """
[grid]
folder = "grid"
state = "operator.sqlite"
[clusters.Hami]
kind = "slurm"
url = "http://127.0.0.1:9/slurm/v0.0.42"
user = "alice"
token_file = "hami.jwt"
accelerators = { "Ascend 910B" = "ascend910b" }
"""


def token(user="alice", expires=3600.0):
    claims = json.dumps({"sun": user, "exp": time.time() + expires}).encode()
    return f"e30.{base64.urlsafe_b64encode(claims).decode().rstrip('=')}.c2ln"


def private(path, text):
    path.unlink(missing_ok=True)
    path.touch(mode=0o600)
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("[grid]", "[grid", "no TOML"),
        ("folder =", "foldr =", "did you mean 'folder'"),
        ('state = "operator.sqlite"', "", r"grid.state: found nothing, needed text"),
        ('kind = "slurm"', 'kind = "slrum"', "did you mean 'slurm'"),
        ('user = "alice"', "", r"clusters.Hami.user: found nothing"),
        ("user =", "uesr =", "did you mean 'user'"),
        ('"http://127', '"ftp://127', "needed the address of slurmrestd"),
        ('"ascend910b"', "8", r'needed a table like \{ "A800" = "a800" \}'),
        ('"ascend910b"', '"a:b"', "accelerators"),
        ("[grid]", "[grid]\nseconds_per_hour = 0", "needed a number above 0"),
        ("[grid]", "[grid]\nseconds_per_hour = nan", "needed a number above 0"),
        ("[grid]", "[grid]\nretries = true", "needed a whole number"),
        ("[grid]", '[grid]\nstart = "2026-06-01T00:00"', "with its zone"),
        ("[grid]", '[grid]\nstart = "soon"', "needed a time like"),
        ("[clusters.Hami]", "[cluster.Hami]", "did you mean 'clusters'"),
        ("user =", "allow_root = 1\nuser =", "needed true or false"),
        ("token_file", "users", r"needed a table like \{ alice"),
    ],
)
def test_each_fault_of_a_configuration_is_named(tmp_path, old, new, message):
    """If this fails, a typing error is read as something else, or said without its place."""
    assert old in SLURM
    (tmp_path / "grid.toml").write_text(SLURM.replace(old, new, 1))
    with pytest.raises(InvalidProblemError, match=message) as caught:
        read_config(tmp_path / "grid.toml")
    assert str(tmp_path / "grid.toml") in str(caught.value)


def test_a_local_cluster_has_counts_and_no_address(tmp_path):
    """If this fails, keys without effect are taken in silence."""
    text = SLURM.replace('"slurm"', '"local"').replace('"ascend910b"', "8")
    (tmp_path / "grid.toml").write_text(text)
    with pytest.raises(InvalidProblemError, match=r"Hami.url: .* no such key where kind"):
        read_config(tmp_path / "grid.toml")


@pytest.fixture(scope="module")
def grid(tmp_path_factory):
    folder = tmp_path_factory.mktemp("grid")
    configured(folder)
    return folder


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("clusters.Hami", "clusters.Hamy", r"no such site in the tables.*did you mean 'Hami'"),
        ('"Ascend 910B"', '"Ascend 910"', r"needed one of .* at Hami; did you mean 'Ascend 910B'"),
        ('folder = "grid"', 'folder = "nowhere"', "nowhere"),
        ("hami.jwt", "none.jwt", "No such file or directory, needed a token"),
        ("", "", "Connection refused"),
    ],
)
def test_what_is_configured_is_looked_for_before_the_first_hour(grid, old, new, message):
    """If this fails, an operator begins its night without a cluster, and says so in the morning."""
    (grid / "operator.sqlite").unlink(missing_ok=True)
    private(grid / "hami.jwt", token())
    (grid / "slurm.toml").write_text(SLURM.replace(old, new, 1) if old else SLURM)
    op = gc.clusters.Operator(grid / "slurm.toml")
    with op, pytest.raises((InvalidProblemError, FileNotFoundError), match=message):
        op.tick()


def cluster(path, **more):
    facts = {"site": "Hami", "kind": "slurm", "url": "http://127.0.0.1:9"}
    facts |= {"accelerators": {"A800": "a800"}, "user": "alice", "token_file": path, **more}
    return gc.clusters.Slurm(ClusterConfig(**facts))


def test_tokens_are_checked_before_they_are_used(tmp_path):
    """If this fails, jobs run as root by a mistake, or a token lies open to others."""
    path = private(tmp_path / "t.jwt", token(expires=-60))
    with pytest.raises(InvalidProblemError, match="found a token that expired on"):
        cluster(path)
    private(path, token("root"))
    with pytest.raises(InvalidProblemError, match="found root, needed another user"):
        cluster(path)  # whatever the configuration calls the user
    cluster(path, allow_root=True).close()
    private(path, token())
    with pytest.raises(InvalidProblemError, match="found root"):
        cluster(path, user="root")
    path.chmod(0o640)
    with pytest.raises(InvalidProblemError, match="found mode 0640, needed 0600"):
        cluster(path)
    for text in ("", "two words", "x" * 70_000, "\x00"):
        with pytest.raises(InvalidProblemError, match="found no token"):
            read_token(private(path, text))
    path.unlink()
    os.mkfifo(path, 0o600)
    with pytest.raises(InvalidProblemError, match="no regular file"):
        read_token(path)


def test_jobs_do_not_run_as_root_by_default(tmp_path, monkeypatch):
    """If this fails, whoever may submit is root."""
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    with pytest.raises(ClusterError, match="jobs would run as root"):
        gc.clusters.Local(tmp_path, {"A800": 1})


def test_the_folder_of_local_jobs_is_this_users_alone(grid, tmp_path):
    """If this fails, somebody else puts scripts there, or a site's name leads elsewhere."""
    (tmp_path / "jobs").mkdir()
    (tmp_path / "jobs").chmod(0o777)
    with pytest.raises(ClusterError, match="mode 0777, needed one that others cannot write to"):
        gc.clusters.Local(tmp_path / "jobs", {"A800": 1}, allow_root=True)
    config = read_config(grid / "grid.toml")
    for name in ("../../elsewhere", "/elsewhere", "..", "."):
        cluster = dataclasses.replace(config.clusters["Hami"], site=name)
        with pytest.raises(InvalidProblemError, match="needed one without /"):
            adapter(config, cluster)


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"hours": None}, r"hours\[1\]: found nothing, needed hours"),
        ({"hours": -1.0}, r"hours\[1\]: found -1.0"),
        ({"hours": float("nan")}, r"hours\[1\]: found nan"),
        ({"accelerators": 0}, r"accelerators\[1\]: found 0"),
        ({"accelerators": 1.5}, "needed a whole number"),
        ({"within": "soon"}, r"within\[1\]: found 'soon', needed a time like 24h"),
        ({"within": "2h", "deadline": "2026-06-02T08:00"}, "found both"),
        ({"deadline": "tomorrow"}, r"deadline\[1\]: found 'tomorrow'"),
        ({"from": "Hamy"}, "did you mean 'Hami'"),
        ({"accelerator": "A80"}, "did you mean 'A800'"),
        ({"family": "pretraining"}, "did you mean 'pre-training'"),
        ({"tenant": "nobody"}, r"tenant\[1\]: found 'nobody'"),
        ({"name": "a\nb"}, r"name\[1\]: found"),
        ({"name": "x" * 101}, "at most 100 letters"),
        ({"acelerators": 2}, "did you mean 'accelerators'"),
        ({"script": "/nowhere"}, "no file '/nowhere'"),
    ],
)
def test_each_fault_of_a_job_is_named(grid, columns, message):
    """If this fails, a job is queued that is not what was meant."""
    row = {"script": str(grid / "job.sh"), "hours": 1.0, "accelerators": 1, **columns}
    with Trial(grid / "grid.toml", World()) as op:
        before = len(op.queue()["jobs"])
        with pytest.raises(InvalidProblemError, match=message):
            op.submit(table=[{"script": str(grid / "job.sh"), "hours": 1.0}, row])
        assert len(op.queue()["jobs"]) == before


@pytest.mark.parametrize(
    "data",
    [b"", b"echo\n", b"#!/bin/sh\n\0", b"#!/bin/sh\r\n", b"#!\xff", b"#!" + b"x" * (1 << 20)],
)
def test_a_script_is_text_that_begins_with_its_interpreter(grid, data):
    """If this fails, a cluster refuses a job hours later, or the state fills up."""
    (grid / "bad.sh").write_bytes(data)
    with (
        Trial(grid / "grid.toml", World()) as op,
        pytest.raises(InvalidProblemError, match="script"),
    ):
        op.submit(grid / "bad.sh", hours=1.0)


def test_a_state_that_others_can_reach_is_refused(tmp_path):
    """If this fails, another user reads scripts, or has jobs of his own run."""
    path = tmp_path / "s.sqlite"
    State(path).close()
    assert path.stat().st_mode & 0o777 == 0o600
    path.chmod(0o644)
    with pytest.raises(InvalidProblemError, match="found mode 0644"):
        State(path)
    path.chmod(0o600)
    link = tmp_path / "link.sqlite"
    link.symlink_to(path)
    with pytest.raises(InvalidProblemError, match="no regular file"):
        State(link)
    for data in (b"no database" * 100, b"SQLite format 3\0" + b"\0" * 5000):
        private(path, "").write_bytes(data)
        with pytest.raises(InvalidProblemError, match=r"no state of an operator|version"):
            State(path)
    private(path, "")
    for name in ("-wal", "-shm", "-journal"):  # SQLite would read them as what was written last
        beside = tmp_path / f"s.sqlite{name}"
        beside.write_bytes(b"")
        beside.chmod(0o666)
        with pytest.raises(InvalidProblemError, match=f"{name}: found mode 0666"):
            State(path)
        beside.unlink()
    tmp_path.chmod(0o777)
    with pytest.raises(InvalidProblemError, match="a folder that anybody may write to"):
        State(path)
    tmp_path.chmod(0o700)
    import sqlite3

    other = sqlite3.connect(path)
    other.execute("CREATE TABLE jobs (x)")
    other.commit()
    other.close()
    with pytest.raises(InvalidProblemError, match="found version 0, needed 2"):
        State(path)
