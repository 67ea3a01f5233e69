"""Slurm's answers, good and bad: what is read of them, and that nothing is believed of others."""

import dataclasses
import json

import pytest

from gridcompute.clusters import Order, Slurm
from gridcompute.clusters.config import ClusterConfig
from gridcompute.errors import ClusterError
from unit.clusters.test_config import private, token

httpx = pytest.importorskip("httpx")


NODE = {"name": "n1", "state": ["IDLE"], "gres": "gpu:a800:8(S:0-1)", "partitions": ["main"]}
ORDER = Order(
    id="abcdef-1",
    attempt=1,
    user="",
    name="x",
    script="#!/bin/sh\n",
    accelerator="A800",
    count=2,
    limit_s=61.0,
    memory_gb=1.0,
)


def number(value):
    return {"set": True, "infinite": False, "number": value}


class Rest:
    """A REST server in memory: nodes, jobs, and what was asked of it."""

    def __init__(self):
        self.nodes, self.jobs = [dict(NODE)], []
        self.asked = []
        self.tokens = []
        self.states = True
        self.answer = None

    def __call__(self, request):
        path = request.url.path.removeprefix("/slurm")
        body = json.loads(request.content) if request.content else None
        self.asked.append((request.method, path, body))
        self.tokens.append(request.headers["X-SLURM-USER-TOKEN"])
        if self.answer is not None:
            return self.answer(request)
        if path == "/nodes":
            return httpx.Response(200, json={"nodes": self.nodes, "errors": []})
        if path == "/jobs":
            return httpx.Response(200, json={"jobs": self.jobs, "errors": []})
        if path == "/jobs/state/" and self.states:
            listed = [{"job_id": str(j["job_id"]), "state": j["job_state"]} for j in self.jobs]
            return httpx.Response(200, json={"jobs": listed, "errors": []})
        if path == "/jobs/state/":
            return httpx.Response(404, text="not found")
        if request.method == "GET":
            found = [j for j in self.jobs if str(j["job_id"]) == path.rpartition("/")[2]]
            return httpx.Response(200, json={"jobs": found, "errors": []})
        if path == "/job/submit":
            self.jobs.append(self.job(**body["job"], job_id=len(self.jobs) + 1))
            return httpx.Response(200, json={"job_id": len(self.jobs), "errors": []})
        at = int(path.rpartition("/")[2]) - 1
        if request.method == "DELETE":
            self.jobs[at]["job_state"] = ["CANCELLED"]
        else:
            self.jobs[at] |= {"hold": False, "job_state": ["RUNNING"], "start_time": number(100)}
        return httpx.Response(200, json={"errors": []})

    def job(self, **facts):
        return {"user_name": "alice", "job_state": ["PENDING"], "hold": False, **facts}


@pytest.fixture
def rest():
    return Rest()


@pytest.fixture
def slurm(rest, tmp_path):
    config = ClusterConfig(
        site="Hami",
        kind="slurm",
        accelerators={"A800": "a800"},
        url="http://here/slurm",
        user="alice",
        token_file=private(tmp_path / "t.jwt", token()),
        partition="main",
        timeout_s=5.0,
    )
    cluster = Slurm(config, transport=httpx.MockTransport(rest))
    yield cluster
    cluster.close()


@pytest.mark.parametrize(
    ("facts", "counts"),
    [
        ({}, [8]),
        ({"state": ["MIXED"]}, [8]),
        ({"state": ["IDLE", "DRAIN"]}, []),
        ({"state": ["DOWN", "NOT_RESPONDING"]}, []),
        ({"partitions": ["other"]}, []),
        ({"gres": "gpu:h20:8,gpu:a800:2"}, [2]),
        ({"gres": "gpu:8"}, []),
        ({"gres": ""}, []),
    ],
)
def test_only_nodes_that_can_run_count(slurm, rest, facts, counts):
    """If this fails, plans count on accelerators that are down, drained or another's."""
    rest.nodes = [NODE | facts]
    assert slurm.capacity() == {"A800": counts}


def test_a_job_is_submitted_held_and_then_released(slurm, rest):
    """If this fails, a submission whose answer is lost runs, and once more when repeated."""
    assert slurm.start(ORDER) == "1"
    submitted, released = rest.asked[-2:]
    job = submitted[2]["job"]
    assert (job["hold"], job["requeue"]) == (True, False)
    assert job["comment"] == "gridcompute:abcdef-1 attempt:1"
    assert job["tres_per_job"] == "gres/gpu:a800:2"
    assert job["time_limit"]["number"] == 2
    assert job["memory_per_node"]["number"] == 2048
    assert released == ("POST", "/job/1", {"hold": False})
    assert slurm.start(ORDER) == "1"
    assert rest.asked[-1] == released


def test_a_gang_beyond_a_node_takes_whole_nodes(slurm, rest):
    """If this fails, a large gang waits for ever, or is spread over parts of nodes."""
    slurm.start(dataclasses.replace(ORDER, count=16))
    job = rest.asked[-2][2]["job"]
    assert (job["minimum_nodes"], job["tres_per_node"]) == (2, "gres/gpu:a800:8")
    assert "tres_per_job" not in job
    with pytest.raises(ClusterError, match="found 9 accelerators, needed at most 8") as caught:
        slurm.start(dataclasses.replace(ORDER, id="abcdef-2", count=9))
    assert caught.value.answered


@pytest.mark.parametrize("states", [True, False])
def test_what_has_changed_is_seen_without_the_whole_list(slurm, rest, states):
    """If this fails, a look at a cluster of many jobs takes seconds, or misses what changed."""
    rest.states = states
    mark = "gridcompute:abcdef-{} attempt:1"
    rest.jobs = [rest.job(job_id=k + 1, comment=mark.format(k)) for k in range(50)]
    assert len(slurm.jobs()) == 50
    rest.asked.clear()
    rest.jobs[6]["job_state"] = ["RUNNING"]
    del rest.jobs[40]
    rest.jobs.append(rest.job(job_id=60, comment=mark.format(60)))
    seen = {job.id: job.state for job in slurm.jobs()}
    assert len(seen) == 50
    assert (seen["abcdef-6"], seen["abcdef-60"]) == ("running", "pending")
    assert "abcdef-40" not in seen
    asked = ["/jobs/state/", "/job/7", "/job/60"] if states else ["/jobs"]
    assert [path for _, path, _ in rest.asked] == asked


def test_a_comment_of_another_user_is_only_a_comment(slurm, rest):
    """If this fails, somebody's job with our mark makes the operator believe that ours runs."""
    mark = {"comment": "gridcompute:abcdef-1 attempt:1", "tres_per_job": "gres/gpu:a800:4"}
    times = {"start_time": number(100), "end_time": number(900)}
    forged = rest.job(job_id=7, job_state=["RUNNING"], user_name="mallory", **mark, **times)
    rest.jobs = [forged, rest.job(job_id=8, user_name="mallory", **mark)]
    (seen,) = slurm.jobs()
    assert (seen.id, seen.state, seen.count, seen.end) == ("", "running", 4, 900.0)
    slurm.start(ORDER)
    assert ("POST", "/job/submit") in [a[:2] for a in rest.asked]


@pytest.mark.parametrize(
    ("states", "state"),
    [
        (["PENDING"], "pending"),
        (["RUNNING"], "running"),
        (["COMPLETED", "COMPLETING"], "done"),
        (["FAILED"], "failed"),
        (["OUT_OF_MEMORY"], "failed"),
        (["TIMEOUT"], "timeout"),
        (["NODE_FAIL"], "node_failure"),
        (["CANCELLED"], "cancelled"),
        ("RUNNING", "running"),
        ([], "failed"),
    ],
)
def test_states_are_lists(slurm, rest, states, state):
    """If this fails, a state of Slurm's is read as another."""
    rest.jobs = [rest.job(job_id=1, comment=ORDER.mark, job_state=states)]
    assert [seen.state for seen in slurm.jobs()] == [state]


def broken(_):
    def parts():
        yield b'{"jo'
        raise httpx.ReadError("the connection broke off")

    return httpx.Response(
        200, stream=type("S", (httpx.SyncByteStream,), {"__iter__": lambda _: parts()})()
    )


def refused(_):
    raise httpx.ConnectError("connection refused")


def said(number, status=500):
    errors = [{"error_number": number, "error": "a reason"}]
    return lambda _: httpx.Response(status, json={"errors": errors})


@pytest.mark.parametrize(
    ("answer", "answered", "maybe"),
    [
        (broken, False, True),
        (refused, False, False),
        (said(2052), True, False),
        (said(2052, 200), True, False),
        (said(1001), False, True),
        (lambda _: httpx.Response(200, text="no JSON"), False, True),
        (lambda _: httpx.Response(200, text="[" * 100_000), False, True),
        (lambda _: httpx.Response(200, json=[1]), False, True),
        (lambda _: httpx.Response(502, text="bad gateway"), False, True),
        (lambda _: httpx.Response(401, text="no"), True, False),
    ],
)
def test_what_is_not_known_is_said_to_be_not_known(slurm, rest, answer, answered, maybe):
    """If this fails, a job whose answer was lost is started again without a look.

    What was submitted is held: only of one that may have been released it is not known.
    """
    slurm.capacity()
    slurm.jobs()
    rest.answer = answer
    with pytest.raises(ClusterError) as caught:
        slurm.start(ORDER)
    assert (caught.value.answered, caught.value.maybe) == (answered, False), caught.value
    assert rest.tokens[-1] not in str(caught.value)
    rest.answer = None
    slurm.start(dataclasses.replace(ORDER, id="abcdef-2"))
    rest.jobs[0] |= {"hold": True, "job_state": ["PENDING"]}
    slurm.jobs()
    rest.answer = answer
    with pytest.raises(ClusterError) as caught:
        slurm.start(dataclasses.replace(ORDER, id="abcdef-2"))
    assert caught.value.maybe, "needed: the job is there"


class Dead(BaseException):
    pass


@pytest.mark.parametrize("when", ["before", "after"])
def test_an_operator_may_die_at_any_request(slurm, rest, when):
    """If this fails, a job that was submitted is lost, or submitted or released twice."""
    point, died = 0, True
    while died:
        rest.jobs, rest.asked, died = [], [], False

        def answer(request, at=point):
            rest.answer = None
            if len(rest.asked) == at + 1 and when == "before":
                raise Dead
            done = rest(request)
            rest.asked.pop()
            if len(rest.asked) == at + 1:
                raise Dead
            rest.answer = answer
            return done

        rest.answer = answer
        one = Slurm(slurm.config, transport=httpx.MockTransport(rest))
        try:
            one.start(ORDER)
        except Dead:
            died = True
        rest.answer = None
        one.close()
        other = Slurm(slurm.config, transport=httpx.MockTransport(rest))
        other.start(ORDER)
        other.close()
        states = [job["job_state"] for job in rest.jobs]
        assert states == [["RUNNING"]], f"died {when} request {point}: {rest.asked}"
        point += 1
    assert point == 6, "needed: nodes, states, jobs, submission, release, and none"


def test_of_several_users_each_has_his_own_jobs(slurm, rest, tmp_path):
    """If this fails, one user's comment ends another's job, or his token cannot end his own."""
    users = {n: private(tmp_path / f"{n}.jwt", token(n)) for n in ("bob", "eve")}
    config = dataclasses.replace(slurm.config, users=users)
    several = Slurm(config, transport=httpx.MockTransport(rest))
    forged = rest.job(job_id=1, user_name="eve", comment=ORDER.mark, job_state=["COMPLETED"])
    rest.jobs = [forged | {"start_time": number(5), "end_time": number(6)}]
    (seen,) = several.jobs()
    assert (seen.id, seen.user) == (ORDER.id, "eve")
    assert several.start(dataclasses.replace(ORDER, user="bob")) == "2", "eve's is not bob's"
    rest.jobs[1]["user_name"] = "bob"
    (seen,) = [job for job in several.jobs() if job.user == "bob"]
    several.cancel(seen.cluster_id)
    assert rest.tokens[-1] == users["bob"].read_text()
    several.close()


def test_times_that_are_none_are_not_believed(slurm, rest):
    """If this fails, a number without sense in an answer ends the operator."""
    for wrong in (float("inf"), float("nan"), 1e300, -1, True, "soon", None):
        rest.answer = lambda _, wrong=wrong: httpx.Response(
            200,
            text=json.dumps(
                {"jobs": [rest.job(job_id=1, comment=ORDER.mark, start_time=number(wrong))]}
            ),
        )
        rest.states = False
        slurm._has_states = False
        assert [seen.start for seen in slurm.jobs()] in ([None], [1.0]), wrong


def test_a_release_that_is_lost_is_made_good(slurm, rest):
    """If this fails, a job is held for ever, or is submitted twice."""
    slurm.jobs()
    slurm.capacity()

    def once(request):
        if request.url.path.endswith("/job/1"):
            raise httpx.ReadTimeout("late")
        rest.answer = None
        found = rest(request)
        rest.answer = once
        return found

    rest.answer = once
    with pytest.raises(ClusterError) as caught:
        slurm.start(ORDER)
    assert caught.value.maybe
    rest.answer = None
    (seen,) = slurm.jobs()
    assert (seen.state, seen.id) == ("pending", ORDER.id) or seen.state == "held"
    assert slurm.start(ORDER) == "1"
    assert len(rest.jobs) == 1
    assert rest.jobs[0]["job_state"] == ["RUNNING"]


def test_a_new_token_is_read_and_an_expired_one_is_not_sent(slurm, rest, tmp_path):
    """If this fails, an operator must be started again each day, or shows a dead token around."""
    slurm.capacity()
    new = token("alice", 7200)
    private(tmp_path / "t.jwt", new)
    slurm.capacity()
    assert rest.tokens[-1] == new
    private(tmp_path / "t.jwt", token("alice", -1))
    asked = len(rest.asked)
    with pytest.raises(ClusterError, match="expired"):
        slurm.capacity()
    assert len(rest.asked) == asked
