"""Every public field of every result that has `verify`, forged: what passes, and is it printed?

Fields and cached properties are found by themselves, in dicts, tuples and values within them too.
A forged one must be refuted, unless it is another true answer (`OTHER_ANSWERS`), or the docstring
of `verify` names it after "Not checked:", and no print, notebook or table shows it.
"""

import copy
import dataclasses
import functools
import inspect
import math
import re
from fractions import Fraction

import numpy as np
import pyarrow as pa
import pytest

import gridcompute as gc
from effort import examples
from malformed import small
from result_cases import RESULTS, public_types, returned_types

#: What a result was computed from: with another problem it is another question.
PROBLEM = {"question", "problem", "trace", "cluster", "jobs", "demand", "capacity", "most"}
PROBLEM |= {"weight", "guarantee", "rate", "groups", "shapes", "arrivals"}
PROBLEM |= {"rule", "measurements", "bundles"}
#: Forgeries that are true: (class, field, or field and what was done) -> why.
OTHER_ANSWERS = {
    ("Matching", "prices"): "other prices may prove the bound as well; whole gangs need none",
    ("Matching", "bound"): "what claims less is proved as well",
    ("Matching", "exact"): "False claims less",
    ("Matching", "assignment"): "where there is no matching, any part of one is as good",
    ("Matching", "witness"): "more jobs or classes may prove the same",
    ("Flow", "witness"): "other nodes may prove the same",
    ("Assignment", "witness"): "other lines may prove the same",
    ("Bound", "served"): "other percents stand for the same pods",
    ("Bound", "duals"): "other prices, or units of none, may prove the same",
    ("Plan", "bound_yuan"): "what claims less is proved as well",
    ("Plan", "priced_bound_yuan"): "what claims less is proved as well",
    ("Plan", "prices.gang_size"): "where whole gangs have no price, they have none of any size",
    ("Plan", "prices.storage"): "between what more saves and what less costs every price is one",
    ("Plan", "prices.mandate x 1.01"): "a price is compared to 2 %",
    ("Plan", "prices.mandate_bound x 1.01"): "a price is compared to 2 %",
    ("Claim", "claims.grid_clean_wh [0] + 1"): "shares of Wh are rounded, and compared to 1 Wh",
    ("Claim", "claims.grid_clean_wh [-1] + 1"): "shares of Wh are rounded, and compared to 1 Wh",
}
#: What was measured, and names, which no check can know.
LABELS = frozenset({"stats", "decision_s", "policy"})
PROVED = ("Matching", "Flow", "Assignment", "Shares", "TaskShares", "Replay", "Bound", "Claim")
PROVED += ("LiveMatching", "ShardedMatching")


def signal():
    return gc.forecast.Signal([3.0, 1.0, 2.0, 9.0, 4.0, 2.0, 7.0, 1.0], "2024-01-01")


def shifted(**options):
    jobs = {"arrival_h": [0, 0, 1], "hours": [1, 2, 1], "slots": [1, 2, 1], "window_h": [2, 2, 3]}
    answer = gc.timeshift.replay(jobs, signal(), starts=[0, 1], **options)
    assert answer.at_once is not None  # makes it, so that it is checked as well
    return answer


def scheduled(policy, **options):
    speed = [[1.0, 0.5], [1.0, 0.5], [2.0, 0.0], [1.0, 1.0], [0.5, 1.0]]
    trace = gc.traces.Trace(
        [0.0, 0.0, 30.0, 40.0, 60.0], [100.0, 90, 50, 10, 70], speed, [2] + [1] * 4
    )
    cluster = gc.traces.Cluster([2, 1], price_per_h=[3.0, 1.0], watts=[300.0, 100.0])
    answer = gc.replay(trace, cluster, policy, **options)
    assert answer.makespan_bound_s + answer.mean_completion_bound_s > 0  # made when asked for
    return answer


CASES = {
    **{name: make for name, make in RESULTS.items() if name.split()[0].strip(",") in PROVED},
    "Replay in hindsight": lambda: shifted(policy="hindsight"),
    "Replay in hindsight of shared slots": lambda: shifted(policy="hindsight", slots=1),
    "Replay in pieces": lambda: shifted(slots=1, interruptible=True),
    "Replay of a trace in rounds": lambda: scheduled("las", round_s=20.0, restart_s=5.0),
    "Replay of a trace by events": lambda: scheduled("srtf", round_s=0.0),
    "Bound of a prefix": lambda: packer().bound(
        {name: values * 9 for name, values in PODS.items()}
    ),
    "LiveMatching of queues": lambda: queued(),
    "Plan in pieces": lambda: gc.match(small(), threads=1),
    "Matching of a coarse resolution": lambda: gc.transport([[0.4, 0.3]], [1, 1], resolution=1.0),
}
PODS = {"cpu_milli": [1000], "memory_mib": [1000], "num_gpu": [1], "gpu_milli": [600]}


def queued():
    """Two rounds with a move and an eviction, in a tree of queues with limits by type."""
    queues = gc.fair.Queues(
        name=["top", "a", "b"],
        parent=[None, "top", "top"],
        guarantee=[0, 1, 2],
        limit_by_type={"fast": [3, 2, 2], "slow": None},
    )
    world = gc.Matcher(
        [2, 2],
        cost=[([[1.0, 2.0]], None, "work")],
        unplaced=9.0,
        demand="gang",
        queues=queues,
        queue="queue",
        slot_types=["fast", "slow"],
    )
    job = {"work": 1.0, "gang": 1, "queue": "a"}
    world.add([job, job, job, job], ids=["d", "c", "b", "a"])
    world.match()
    world.add([{**job, "queue": "b", "gang": 2}], ids=["e"])
    answer = world.match()
    assert set(answer.changes["kind"].tolist()) >= {"PLACE", "EVICT"}, answer.changes
    return answer


def packer():
    nodes = {"cpu_milli": [64_000], "memory_mib": [256_000], "gpu": [4], "model": ["A10"]}
    return gc.pack.Packer(nodes, mix=PODS)


def forgeries(value):
    """Other values of the same form, each with what was done."""
    if isinstance(value, (bool, np.bool_)):
        yield "not", not value
    elif isinstance(value, (int, np.integer, Fraction)):
        yield from (("+ 1", value + 1), ("- 1", value - 1), ("x 3", 3 * value + 3))
    elif isinstance(value, (float, np.floating)):
        yield "nan", 0.0 if math.isnan(value) else math.nan
        if math.isfinite(value):
            yield from (("+ 1", value + 1.0), ("inf", math.inf))
            if value:
                yield from (("x 1.01", value * 1.01), ("sign", -value))
    elif isinstance(value, str):
        yield "text", value + "x"
    elif isinstance(value, np.ndarray):
        yield from forged_arrays(value)
    elif isinstance(value, pa.Table):
        for name in value.column_names:
            column = value[name].to_numpy()
            for how, new in forged_arrays(column):
                if len(new) == len(value):
                    yield (
                        f".{name} {how}",
                        value.set_column(
                            value.column_names.index(name), name, pa.array(new, value[name].type)
                        ),
                    )
        if len(value):
            yield "one short", value[:-1]
    elif isinstance(value, dict):
        for name, part in value.items():
            yield from ((f"[{name!r}] {how}", {**value, name: new}) for how, new in forgeries(part))
    elif isinstance(value, tuple) and hasattr(value, "_fields"):
        for name in value._fields:
            for how, new in forgeries(getattr(value, name)):
                yield f".{name} {how}", value._replace(**{name: new})
    elif isinstance(value, (tuple, list)):
        for k, part in enumerate(value[:3]):
            for how, new in forgeries(part):
                yield f"[{k}] {how}", type(value)([*value[:k], new, *value[k + 1 :]])
        if value:
            yield "one short", value[:-1]
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        for name in (field.name for field in dataclasses.fields(value) if field.name[0] != "_"):
            for how, new in forgeries(getattr(value, name)):
                yield f".{name} {how}", with_field(value, name, new)


def forged_arrays(array):
    if not array.size:
        return
    for k in (0, -1):
        changed = array.copy()
        flat = changed.reshape(-1)
        if array.dtype.kind == "b":
            flat[k] = not flat[k]
        elif array.dtype.kind in "iuf":
            flat[k] = flat[k] + 1 if np.isfinite(flat[k]) else 0
        elif array.dtype.kind == "M":
            flat[k] += np.timedelta64(1, "s")
        elif array.dtype.kind == "O":
            flat[k] = f"{flat[k] or ''}x" if isinstance(flat[k], str | None) else flat[k] + 1
        else:
            continue
        yield f"[{k}] + 1", changed
    if array.dtype.kind in "if" and array.any():
        yield from (("zeros", np.zeros_like(array)), ("signs", -array))
    if array.dtype.kind == "f" and np.isfinite(array).all() and array.any():
        yield "x 1.01", array * 1.01
    if len(array) > 1 and not np.array_equal(array, array[::-1]):
        yield "reversed", array[::-1].copy()
    if array.ndim == 1:
        yield "one short", array[:-1].copy()


def public_fields(result):
    """Fields, and properties that are kept once they were asked for."""
    kept = [
        name
        for name, member in inspect.getmembers(type(result))
        if isinstance(member, functools.cached_property)
    ]
    return [name for name in dict.fromkeys([*vars(result), *kept]) if name[0] != "_"]


def with_field(result, name, value):
    """The result with one field changed, kept properties as they are: as a pickle could have it."""
    new = object.__new__(type(result))
    vars(new).update(vars(result))
    vars(new)[name] = value
    return new


def shown(result):
    """Everything that a user is shown, as text; "" where it cannot be."""
    out = []
    for show in ("__repr__", "_repr_html_", "to_arrow", "summary"):
        try:
            text = str(getattr(result, show)()) if hasattr(result, show) else ""
        except Exception:
            text = ""
        out.append(text)
    return out


def not_checked(result):
    text = " ".join(str(type(result).verify.__doc__).split())
    return set(re.findall(r"`([\w.]+)`", text.partition("Not checked:")[2]))


def matches(field, how, named):
    """Whether a field, a part of it, or one forgery of a part is among those named."""
    parts = re.match(r"(?:\.\w+ ?)*", how)
    path = "".join([field, *re.findall(r"\.\w+", parts[0] if parts else "")])
    words = path.split(".")
    paths = {".".join(words[: k + 1]) for k in range(len(words))}
    return bool({*paths, f"{path} {how[parts.end() if parts else 0 :]}"} & set(named))


@pytest.mark.parametrize("name", CASES)
def test_no_forged_field_passes(name):
    """If this fails, a number that a user reads may be any number, and its certificate is true."""
    result = copy.copy(CASES[name]())  # that of `RESULTS` is shared, and keeps what was asked for
    if not hasattr(result, "verify"):
        pytest.skip("this is a part of a result, without a proof of its own")
    kind = "Matching" if name.partition(" ")[0].endswith("Matching") else type(result).__name__
    assert result.verify(), name
    before, unchecked, wrong = shown(result), not_checked(result), []
    true = {what for name, what in OTHER_ANSWERS if name == kind}
    step = examples(8, 1) if kind == "Plan" else 1  # whose check takes a tenth of a second
    for field in sorted(set(public_fields(result)) - PROBLEM):
        forged_ones = list(forgeries(getattr(result, field)))
        for how, value in forged_ones[:: step if field not in unchecked else 1]:
            if matches(field, how, true):
                continue
            forged = with_field(result, field, value)
            try:
                refuted = not forged.verify()
            except Exception as error:  # a check says what is wrong, and raises nothing
                wrong.append((field, how, repr(error)))
                continue
            printed = shown(forged) != before and field not in LABELS
            if not refuted and (not matches(field, how, unchecked) or printed):
                wrong.append((field, how, "printed" if printed else "not named"))
    assert not wrong, (name, wrong)


def test_every_result_that_proves_itself_is_forged():
    """If this fails, a class with `verify` has no case above."""
    types = {**public_types(), **returned_types()}.values()
    proved = {c.__name__ for c in types if callable(getattr(c, "verify", None))}
    forged = {type(make()).__name__ for make in CASES.values()}
    assert proved <= forged, proved - forged


def test_a_renamed_replay_in_hindsight_is_refuted():
    """If this fails, its check asks for hindsight of itself for ever."""
    renamed = dataclasses.replace(shifted(policy="hindsight"), policy="x")
    assert renamed.verify().reasons == ("policy: found 'x', needed 'hindsight'",)
