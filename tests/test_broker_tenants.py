"""The example broker with tenants: a gang waits, is told why, and takes what its tenant is owed."""

import json
import signal

import pytest

from broker_service import WORLD, Service

TENANTS = {"name": ["red", "blue"], "guarantee": [8, 8], "limit": [16, 12], "weight": [1, 1]}
SPEED = {"vision": [1.0]}
GANGS = WORLD | {"slots": ["a100"], "capacity": [16], "usd_per_h": [1.0], "speed": SPEED}


@pytest.fixture
def service(tmp_path):
    made = Service(tmp_path, "--interval", "0.02")
    (tmp_path / "given.json").write_text(json.dumps(GANGS | {"tenants": TENANTS}))
    made.start()
    yield made
    if made.process.poll() is None:
        made.end(signal.SIGKILL)


def gang(key, tenant, gpus=4, **more):
    """A job that would rather run."""
    base = {"id": key, "family": "vision", "work_h": 1.0, "budget_usd": 1000.0}
    return base | {"tenant": tenant, "gpus": gpus} | more


def submit(broker, *jobs):
    """The states of all jobs once they have been through a round."""
    assert broker.http.post("/jobs", json=list(jobs)).status_code == 202
    while True:
        states = broker.http.get("/jobs").json()["jobs"]
        if all(states[j["id"]]["state"] != "queued" for j in jobs):
            return {key: s["state"] for key, s in states.items()}


def test_a_gang_waits_is_told_why_and_takes_what_its_tenant_is_owed(service):
    """If this fails, a tenant never gets its guarantee back, or nobody can say why a job waits."""
    states = submit(service, *(gang(f"r{k}", "red") for k in range(5)))
    assert sorted(states.values()) == ["placed"] * 4 + ["waiting"]
    late = next(key for key, state in states.items() if state == "waiting")
    found = service.http.get(f"/why/{late}").json()
    assert found["reason"] in ("Limit", "Share")
    assert "red" in found["why"]
    assert service.http.get("/tenants").json()["red"]["takes"] == 16
    states = submit(service, gang("b0", "blue", 8, preemptible=False))
    assert states["b0"] == "placed"
    assert sum(state == "placed" for key, state in states.items() if key[0] == "r") == 2
    evicted = service.lines("audit", 2, kind="evict")
    assert len(evicted) == 2
    assert all("red" in line["why"] for line in evicted)
    assert service.http.get("/why/b0").json()["reason"] == "Fixed"
    shares = service.http.get("/tenants").json()
    assert (shares["red"]["takes"], shares["blue"]["takes"]) == (8, 8)
    states = submit(service, gang("first", "red", priority=5))
    assert states["first"] == "placed"
    assert sum(state == "placed" for key, state in states.items() if key[0] == "r") == 1
    service.restart()
    after = service.http.get("/jobs").json()["jobs"]
    assert {key: s["state"] for key, s in after.items()} == states


@pytest.mark.parametrize(
    ("more", "field"), [({"tenant": "green"}, "tenant"), ({"gpus": 0}, "gpus")]
)
def test_what_a_tenant_may_not_ask_is_refused(service, more, field):
    """If this fails, a job of nobody, or of no accelerators, gets in."""
    answer = service.http.post("/jobs", json=gang("x", "red") | more)
    assert answer.status_code == 422
    assert answer.json()["field"] == field
    assert service.http.get("/why/x").status_code == 404


def test_too_many_requests_are_told_when_to_come_again(tmp_path):
    """If this fails, one client keeps the broker from all others."""
    broker = Service(tmp_path, "--rate", "5")
    broker.start()
    try:
        answers = [broker.http.get("/health") for _ in range(20)]
        late = [a for a in answers if a.status_code == 429]
        assert late
        assert int(late[0].headers["retry-after"]) >= 1
        assert answers[0].status_code == 200
    finally:
        broker.end(signal.SIGKILL)
