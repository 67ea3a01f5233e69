"""`Packer`: parts of devices, CPU and memory of nodes, given to pods as they come."""

from __future__ import annotations

import math
from collections import Counter
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import numpy as np

from .. import _checks, _core, _snapshot
from ..errors import InvalidProblemError
from .columns import (
    MOST,
    Explanation,
    Placement,
    ShapeKey,
    check_shape,
    node_column,
    node_models,
    shape_keys,
)
from .pattern_lp import MOST_COLUMNS, Group, Part, Shape, groups_of_equal_nodes, groups_of_models
from .served_bound import PRICE_SCALE, Bound, prefix_bound, served_bound, shape_prices
from .templates import Template

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Mapping

    from numpy.typing import NDArray

    from .pattern_lp import Patterns


POLICIES = ("price", "best_fit", "fgd", "dot_product", "packing", "clustering")
#: FGD sums fragments over the most frequent shapes up to this share of the pods.
_TYPICAL = 0.95
_MOST_DEVICES = 32
_MOST_MODELS = 64
_MOST_PODS = 2**31 - 1
_FIRST_LEARNING = 64
#: Pods that came last and are kept in order, placed or not, if the window is no larger: what
#: `learn` of another window and `explain` of a refused pod need. 0.5 MB.
_LATEST = 2**16
#: The core's state: pods that are placed, pods that came by shape, and the latest in order.
_ARRIVALS = ("pods", "counts", "latest_shape", "latest_placed")


class _Learned(NamedTuple):
    """What is known of the pods that come; replaced at once, so that no interrupt divides it."""

    #: Shapes, how often each occurs, and their prices; None before the first pods.
    mix: tuple[NDArray[np.int32], NDArray[np.int64], NDArray[np.int64]] | None
    at: int  # pods that had come
    patterns: Patterns


class Packer:
    """Places pods on nodes with devices that can be shared, and keeps each pod's devices.

    Parameters
    ----------
    nodes : table
        One row a node: integer columns ``cpu_milli``, ``memory_mib``, ``gpu`` (number of devices,
        at most 32) and text ``model``. A mapping of arrays, a data frame or an Arrow table.
    mix : table or None
        Pods such as are expected, with the columns of `place`: how often each shape occurs is all
        that counts. Prices, reservations and FGD's typical pods come of it. None: learned, which
        needs `window`.
    templates : Template or iterable of Template, optional
        The contents that devices of some models may hold, as `mig` and `vnpu` return them. Devices
        of other models are shared in milli.
    horizons : tuple of float
        How much of the mix is expected, as multiples of the cluster's devices; prices are a mean.
    policy : str
        "price"; or, to compare with, "best_fit", "fgd", "dot_product", "packing", "clustering" as
        published.
    ranks : ndarray of int, optional
        Ties between nodes go to the lowest rank; by default to the first row.
    seed : int
        Of the sampled futures of the policy "price".
    threads : int or None
        At least 1. A packer works in one thread, so that any number gives the same bits.
    window : int or None
        Learn the mix from the latest `window` pods, again after every half window.
    tuning : dict, optional
        Other values of the parameters in ``csrc/gridcompute/packing/tuning.hpp``; for experiments.

    Raises
    ------
    InvalidProblemError
        For a column that is missing or of another length, or a value out of range; the message has
        its row.
    TypeError
        For a column of another type.

    Notes
    -----
    *Complexity.* O(nodes) for a pod, and new bids for the nodes that changed since the last pod of
    the same shape. Making a packer solves one linear program a horizon.

    *Determinism.* The same calls give the same bits; nothing depends on time or threads.

    *Memory.* By nodes, shapes and the pods that are placed now. Of all pods that came the shapes
    are counted; the latest 65,536, or `window` if that is more, are kept in order.

    *Source.* The published policies are those of Weng et al., Beware of Fragmentation (USENIX ATC
    2023); prices are the duals of Gilmore and Gomory's pattern program.

    Examples
    --------
    >>> from gridcompute import pack
    >>> nodes = {"cpu_milli": [8000, 8000], "memory_mib": [32000] * 2, "gpu": [2, 2],
    ...          "model": ["T4", "T4"]}
    >>> pods = {"cpu_milli": [1000, 1000, 2000], "memory_mib": [4000] * 3, "num_gpu": [1, 1, 2],
    ...         "gpu_milli": [500, 500, 1000]}
    >>> packer = pack.Packer(nodes, mix=pods)
    >>> placed = packer.place(pods)
    >>> placed.refused, int(packer.free["gpu_milli"].sum())
    ([], 1000)
    """

    def __init__(
        self,
        nodes: Any,
        *,
        mix: Any,
        templates: Template | Iterable[Template] | None = None,
        horizons: tuple[float, ...] = (1.0, 1.3),
        policy: str = "price",
        ranks: Any = None,
        seed: int = 0,
        threads: int | None = None,
        window: int | None = None,
        tuning: dict[str, int] | None = None,
    ) -> None:
        self._policy = _checks.choice("policy", policy, POLICIES)
        self._seed = _checks.seed(seed)
        _checks.threads(threads)
        self._window = None if window is None else _checks.whole("window", window, 2, _MOST_PODS)
        if mix is None and self._window is None:
            raise InvalidProblemError("mix: found None, needed pods, or a window to learn", "mix")
        self._horizons = _horizons(horizons)
        self._tuning = dict(tuning or {})
        columns = {
            "cpu_milli": node_column(nodes, "cpu_milli", MOST),
            "memory_mib": node_column(nodes, "memory_mib", MOST),
            "gpu": node_column(nodes, "gpu", _MOST_DEVICES),
        }
        models = node_models(nodes)
        n = len(models)
        for name, values in columns.items():
            if len(values) != n:
                raise InvalidProblemError(
                    f"nodes.{name}: found {len(values)} values, needed {n}, one a node", name
                )
        rank = np.arange(n, dtype=np.int32)
        if ranks is not None:
            rank = cast(
                "NDArray[np.int32]", _checks.counts("ranks", ranks, n, "n_nodes", 0, np.int32)
            )
        self._set_nodes(columns, models, rank, _templates(templates))
        if mix is not None:
            self._learned = self._mix_of_table(mix)
            self._give(self._learned)

    # ------------------------------------------------------------------ what was given

    def _set_nodes(
        self,
        columns: dict[str, NDArray[np.int64]],
        models: list[str],
        rank: NDArray[np.int32],
        templates: list[Template],
    ) -> None:
        """Make the core's state for empty nodes."""
        self._nodes, self._models, self._rank = columns, models, rank
        self._names = sorted(set(models))
        if len(self._names) > _MOST_MODELS:
            raise InvalidProblemError(
                f"nodes.model: found {len(self._names)} models, needed at most {_MOST_MODELS}",
                "model",
            )
        number = {name: k for k, name in enumerate(self._names)}
        self._templates = templates
        by_model = {model: t for t in templates for model in t.models}
        # One numbering of profiles for all templates: the core asks for a profile by its number.
        self._profiles: dict[str, int] = {}
        self._weights: dict[str, int] = {}
        for template in templates:
            for profile, weight in template.weights.items():
                if self._weights.setdefault(profile, weight) != weight:
                    raise InvalidProblemError(
                        f"templates: found {profile!r} with {self._weights[profile]} and with "
                        f"{weight} milli, needed one weight for a profile",
                        "templates",
                    )
                self._profiles.setdefault(profile, len(self._profiles))
        layouts: list[Any] = []
        for name in self._names:
            given = by_model.get(name)
            if given is None:
                layouts.append(None)
                continue
            following, number_of, used, _ = given.native()
            names = [self._profiles[p] for p in given.profiles]
            layouts.append(
                (following, np.array(names, np.int32)[number_of], used, len(self._profiles))
            )
        self._core = _core.Packer(
            columns["cpu_milli"],
            columns["memory_mib"],
            columns["gpu"].astype(np.int32),
            np.array([number[m] for m in models], np.int32),
            rank,
            layouts,
            self._policy,
            max(self._window or 0, _LATEST),
        )
        self._groups = groups_of_models(columns, models, by_model)
        self._node_groups = groups_of_equal_nodes(columns, models, by_model)
        self._ids: dict[ShapeKey, int] = {}
        self._keys: list[ShapeKey] = []
        self._shapes: list[Shape] = []  # by id
        self._adding: ShapeKey | None = None  # on its way to the core, if an interrupt came
        self._learned = _Learned(None, 0, {})
        self._given: object = None  # the mix that the core has; None: not known
        # What a call has learned once so many pods have come: an interrupt may come before it is
        # written down.
        self._next: tuple[int, _Learned] | None = None
        self._node_patterns: Patterns = {}

    def _shape_ids(self, pods: Any, table: str) -> NDArray[np.int32]:
        """Return the shape of each pod. New ones go to the core once all have been checked."""
        keys = shape_keys(pods, table)
        known = self._ids
        new: dict[ShapeKey, int] = {}
        for k, key in enumerate(keys):
            if key not in known and key not in new:
                check_shape(table, k, key)
                if key.profile and key.profile not in self._profiles:
                    raise InvalidProblemError(
                        f"{table}.profile[{k}]: found {key.profile!r}, needed one of the "
                        f"templates: {', '.join(self._profiles) or 'none are given'}",
                        "profile",
                        k,
                    )
                new[key] = k
        for key in new:
            self._add_shape(key)
        return np.array([known[key] for key in keys], np.int32)

    def _add_shape(self, key: ShapeKey) -> None:
        if self._adding not in (None, key):
            self._add_shape(self._adding)
        self._adding = key  # the core keeps one of equal shapes, so that this can be repeated
        names = frozenset(key.spec.split("|")) if key.spec and key.gpus else None
        mask = 2**64 - 1
        if names is not None:
            mask = sum(1 << k for k, name in enumerate(self._names) if name in names)
        profile = self._profiles.get(key.profile, -1) if key.profile else -1
        milli = self._weights[key.profile] if key.profile else key.milli
        id_ = self._core.add_shape(key.cpu, key.memory, key.gpus, milli, profile, mask)
        part: Part = key.profile or key.milli
        shape = Shape(key.cpu, key.memory, key.gpus, part, names, key.gpus * milli)
        if id_ == len(self._keys):  # lists of models with a name twice are one shape
            self._keys.append(key)
        if id_ == len(self._shapes):
            self._shapes.append(shape)
        self._ids[key] = id_
        self._adding = None

    def _mix_of_table(self, mix: Any) -> _Learned:
        """Return the mix of the pods of a table."""
        counts = np.bincount(self._shape_ids(mix, "mix"), minlength=1)
        return self._mix_of(counts, Counter(shape_keys(mix, "mix")))

    def _mix_of(
        self, counts: NDArray[np.int64], written: Mapping[ShapeKey, int] | None = None
    ) -> _Learned:
        """Return the mix that has the given number of pods of each shape, with prices for it.

        `written`: how many ask for what as written, where that is known.
        """
        shapes = np.flatnonzero(counts).astype(np.int32)
        counts = counts[shapes]
        if self._policy == "fgd":
            if written is None:
                keys = (self._keys[s] for s in shapes.tolist())
                written = dict(zip(keys, counts.tolist(), strict=True))
            shapes, counts = self._typical(written)
        prices = np.zeros(len(shapes), np.int64)
        patterns = {group: dict(found) for group, found in self._learned.patterns.items()}
        if self._policy == "price":
            prices = shape_prices(
                self._groups,
                [self._shapes[k] for k in shapes.tolist()],
                counts,
                self._horizons,
                patterns,
            )
        return _Learned((shapes, counts, prices), self._learned.at, patterns)

    def _give(self, learned: _Learned) -> None:
        """Make the core's prices, reservations and typical pods those of a mix."""
        if learned.mix is not None and self._given is not learned.mix:
            self._given = None
            self._core.set_mix(*learned.mix, self._seed, self._tuning)
            self._given = learned.mix

    def _settle(self) -> None:
        """Write down what the last call learned, if its pods have come, and give that to the core.

        An interrupt may have come on either side of the core's step.
        """
        if self._next is not None and len(self._core) >= self._next[0]:
            self._learned = self._next[1]
        self._next = None
        self._give(self._learned)

    def _typical(
        self, written: Mapping[ShapeKey, int]
    ) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
        """Return FGD's typical pods: shapes but for memory, the most frequent, and their counts.

        Lists of models are compared as written: a shape that names a model twice is
        another, as in the published rule.
        """
        counted: Counter[tuple[int, int, int, str, str]] = Counter()
        for key, count in written.items():
            counted[key.cpu, key.milli, key.gpus, key.spec, key.profile] += count
        order = sorted(counted.items(), key=lambda item: (item[1], item[0]), reverse=True)
        shapes, counts, covered, enough = [], [], 0, _TYPICAL * counted.total()
        for (cpu, milli, gpus, spec, profile), count in order:
            key = ShapeKey(cpu, 0, gpus, milli, spec, profile)
            if key not in self._ids:
                self._add_shape(key)
            shapes.append(self._ids[key])
            counts.append(count)
            covered += count
            if covered >= enough:
                break
        return np.array(shapes, np.int32), np.array(counts, np.int64)

    # ------------------------------------------------------------------ pods come and go

    def place(self, pods: Any, moves: int = 0) -> Placement:
        """Place pods that arrive together; one that fits nowhere is refused.

        Parameters
        ----------
        pods : table
            One row a pod: ``cpu_milli``, ``memory_mib``, ``num_gpu`` (0: none), ``gpu_milli``
            (below 1000: a part of one device; 1000: whole devices; by default whole ones), text
            ``gpu_spec`` (allowed models between bars, empty: any) and ``profile`` (a content of a
            template, in place of ``gpu_milli``); the last three may be left out.
        moves : int
            The largest number of pods to move, only to make room for pods that would be refused.

        Returns
        -------
        Placement
            Ids, nodes and devices. With "price", pods of one call are placed in the order of their
            prices; else, and with one pod a call, as they come.

        Raises
        ------
        InvalidProblemError
            For a pod that is none; nothing is placed then.

        Notes
        -----
        No pod is refused that fits. Reservations never refuse: they only say where a pod goes. A
        call runs without the interpreter's lock and to its end: Ctrl-C is seen after it, so cut
        very large batches. Where that comes instead of the answer, ``len(packer)`` says whether the
        pods have been placed: all of them or none.
        """
        self._settle()
        moves = _checks.whole("moves", moves, 0, _MOST_PODS)
        shapes = self._shape_ids(pods, "pods")
        learned = self._due(shapes)
        self._give(learned)
        self._next = len(self._core) + len(shapes), learned
        first, node, devices, reason, moved = self._core.place(shapes, moves)
        self._settle()
        changed: dict[int, tuple[int, int]] = {}
        if len(moved):
            changed = {p: (n, d) for p, _, n, d, *_ in self._core.placed(moved).tolist()}
        return Placement(first, node, devices, reason, changed)

    def release(self, ids: Any) -> None:
        """Give back what pods have; their ids are not used again.

        Parameters
        ----------
        ids : int or array of int
            Of pods that are placed.

        Raises
        ------
        InvalidProblemError
            For an id that is not placed, or there twice; nothing is released then.
        """
        pods = np.atleast_1d(_checks.plain_array("ids", ids))
        if pods.dtype.kind not in "iu" and pods.size:
            raise TypeError(f"ids must be of an integer dtype, not {pods.dtype}")
        if pods.ndim != 1:
            raise InvalidProblemError(f"ids: found {pods.ndim} dimensions, needed 1", "ids")
        if pods.dtype == np.uint64 and (pods > np.iinfo(np.int64).max).any():
            k = int((pods > np.iinfo(np.int64).max).argmax())
            raise InvalidProblemError(
                f"ids[{k}]: found {pods[k]}, needed the id of a placed pod", "ids", k
            )
        self._core.release(np.ascontiguousarray(pods, np.int64))

    def learn(self, window: int | None = None, mix: Any = None) -> None:
        """Take the mix from pods that came, or from others, and make prices of it again.

        Parameters
        ----------
        window : int, optional
            How many of the latest pods, refused ones included; by default the packer's window, or
            all. At most 65,536 or the packer's window, or at least all that came.
        mix : table, optional
            Pods in place of those that came.

        Raises
        ------
        InvalidProblemError
            If there are no pods to learn from.

        Notes
        -----
        Pods stay where they are. The linear programs start from the patterns found before.
        """
        self._settle()
        learned = self._mix_of_table(mix) if mix is not None else self._mix_of(self._latest(window))
        self._give(learned)
        self._learned = learned

    def _latest(self, window: int | None) -> NDArray[np.int64]:
        """Count the shapes of the latest `window` pods, by default of the packer's window."""
        if window is not None:
            _checks.whole("window", window, 1, _MOST_PODS)
        if len(self._core) == 0:
            raise InvalidProblemError("window: found no pods, needed some to learn from", "window")
        return self._core.counts(window or self._window or len(self._core))

    def _due(self, coming: NDArray[np.int32]) -> _Learned:
        """Return the mix, learned again where half a window has come since it was last learned."""
        seen, known = len(self._core), self._learned
        if known.mix is None:  # of the first pods there are, whatever they are
            return self._mix_of(np.bincount(coming, minlength=1))._replace(at=seen)
        if self._window is None:
            return known
        # Early on more often: what is known doubles each time.
        step = min(self._window // 2, max(_FIRST_LEARNING, known.at))
        return (
            self._mix_of(self._latest(None))._replace(at=seen) if seen - known.at >= step else known
        )

    # ------------------------------------------------------------------ what there is

    @property
    def free(self) -> dict[str, NDArray[Any]]:
        """The free resources of nodes.

        ``cpu_milli``, ``memory_mib``, ``gpu_milli`` (over all devices), ``gpu`` (free devices), and
        ``devices``, the milli left on each device, 0 where a node has no such device.
        """
        cpu, memory, milli, gpus, devices = self._core.left()
        return {
            "cpu_milli": cpu,
            "memory_mib": memory,
            "gpu_milli": milli,
            "gpu": gpus,
            "devices": devices,
        }

    @property
    def prices(self) -> dict[str, list[Any]]:
        """The mix's shapes, how often each occurs, and its price in milli of devices."""
        self._settle()
        names, mix = (*ShapeKey._fields, "count", "price"), self._learned.mix
        if mix is None:
            return {name: [] for name in names}
        rows = [
            (*self._keys[s], c, p / PRICE_SCALE)
            for s, c, p in zip(*(column.tolist() for column in mix), strict=True)
        ]
        return {
            name: list(values) for name, values in zip(names, zip(*rows, strict=True), strict=False)
        }

    @property
    def reservations(self) -> dict[str, list[Any]]:
        """Groups that room is kept for, with their size, models, slots free, needed and kept now.

        ``share`` is the members' part of the mix's demand; ``price`` that of a slot, in milli.
        """
        self._settle()
        out: dict[str, list[Any]] = {
            name: []
            for name in (
                *("size", "cpu_milli", "memory_mib", "models", "share", "price"),
                *("slots", "need", "kept"),
            )
        }
        for size, cpu, memory, models, share, price, slots, need, kept in self._core.reservations():
            values = (size, cpu, memory, self._models_of(models), share / 1e6, price / PRICE_SCALE)
            more = (slots, need / 1000, kept / 1000)
            for column, value in zip(out.values(), (*values, *more), strict=True):
                column.append(value)
        return out

    def _models_of(self, classes: list[bool]) -> str:
        """Return the models of node classes, between bars; classes go by first appearance."""
        keys = dict.fromkeys(
            zip(*(self._nodes[c].tolist() for c in self._nodes), self._models, strict=True)
        )
        return "|".join(sorted({key[-1] for key, on in zip(keys, classes, strict=True) if on}))

    def layouts_valid(self) -> bool:
        """Whether every device holds an allowed layout, recomputed from the pods placed.

        Returns
        -------
        bool
            Parts in milli sum up to at most 1000, whole devices have one pod, and contents of
            templates are a layout of the device's template. Also checks the core's own invariants.
        """
        by_model = {model: t for t in self._templates for model in t.models}
        held: dict[tuple[int, int], list[tuple[Part, int]]] = {}
        for _, shape, node, devices, item, *_ in self._core.state()[0].tolist():
            for d in _bits(devices):
                held.setdefault((node, d), []).append((self._shapes[shape].part, item))
        for (n, _), parts in held.items():
            template = by_model.get(self._models[n])
            if template is None:
                good = sum(p if isinstance(p, int) else 1001 for p, _ in parts) <= 1000
            elif parts[0][0] == 1000:
                good = len(parts) == 1
            else:
                good = tuple(sorted(k for _, k in parts)) in set(template.states) and all(
                    template.items[k][0] == p for p, k in parts
                )
            if not good:
                return False
        return self._core.holds()

    def explain(self, id: int) -> Explanation:
        """Say why a pod is where it is, or why it was refused.

        Parameters
        ----------
        id : int
            Of a pod of an earlier call of `place`.

        Returns
        -------
        Explanation
            Prints as sentences.
        """
        self._settle()
        pod = _checks.whole("id", id, 0, max(0, len(self._core) - 1))
        if pod >= len(self._core):
            raise InvalidProblemError(f"id: found {pod}, needed that of a pod; none has come", "id")
        for row in self._core.placed(np.array([pod], np.int64)).tolist():
            _, _, node, devices, _, cost, charge, runner_up, runner_up_cost = row
            scale = 1.0
            if self._policy == "price":
                scale = 1.0 / (PRICE_SCALE * self._core.futures)
            return Explanation(
                pod,
                "placed",
                node,
                _bits(devices),
                cost * scale,
                charge * scale,
                runner_up,
                runner_up_cost * scale,
                tuple(
                    f"{count} slot{'s' * (count > 1)} of {size} device{'s' * (size > 1)}"
                    + (f" with {cpu} milli CPU" if cpu else "")
                    + f" ({self._models_of(classes)})"
                    for count, size, cpu, classes in self._core.blocked(pod)
                ),
            )
        arrival = self._core.arrival(pod)
        if arrival is None:
            return Explanation(pod, "past")
        shape, was_placed = arrival
        if was_placed:
            return Explanation(pod, "released")
        model, device, cpu, memory, fits, moves, where = self._core.lack(shape)
        lacking = {"model": model, "devices": device, "cpu": cpu, "memory": memory, "nothing": fits}
        return Explanation(pod, "refused", lacking=lacking, moves=moves, moves_node=where)

    def bound(self, pods: Any, served: float | None = None) -> Bound:
        """Bound what any policy could serve of these pods on these nodes, empty at first.

        Parameters
        ----------
        pods : table
            In the order of arrival, with the columns of `place`.
        served : float or None
            Percent of the cluster's devices: a policy that serves all pods until that much has
            arrived ends at most at ``value`` percent allocated. None: the longest prefix that can
            be served whole.

        Returns
        -------
        Bound
            ``value``, ``status``, ``duals`` and ``verify()``.

        Notes
        -----
        The bound is that of a relaxation, and holds for every policy, whatever it knows of the
        future and however often it moves pods. Two are solved, and the sharper is returned: one
        pools devices, CPU and memory of all nodes of a model; the other pools CPU and memory of
        equal nodes alone, and the devices of a pod that takes several whole ones come out of one
        node. The second is left out where shapes times kinds of nodes are more than 4,000.

        No policy serves more than the longest prefix whole: where the duals refute `served`, the
        bound's ``status`` is "empty" and its ``value`` nan, and nothing is said of a policy that
        refused pods before.
        """
        percent = None if served is None else _checks.number("served", served, 0.0)
        if percent is not None and not math.isfinite(percent):
            raise InvalidProblemError(f"served: found {percent}, needed a finite number", "served")
        arrivals = self._shape_ids(pods, "pods")
        if not any(g.devices for g in self._groups):
            raise InvalidProblemError("nodes.gpu: found no devices, needed some to bound", "gpu")
        patterns = {group: dict(found) for group, found in self._learned.patterns.items()}
        found = [self._bound(self._groups, arrivals, percent, patterns)]
        n_asked = len(np.unique(arrivals))
        if n_asked * len(self._node_groups) <= MOST_COLUMNS:
            of_nodes = {group: dict(known) for group, known in self._node_patterns.items()}
            found.append(self._bound(self._node_groups, arrivals, percent, of_nodes))
            self._node_patterns = of_nodes
        self._learned = self._learned._replace(patterns=patterns)
        return min(found, key=lambda bound: (bound.status != "empty", bound.exact))

    def _bound(
        self,
        groups: list[Group],
        arrivals: NDArray[np.int32],
        percent: float | None,
        patterns: Patterns,
    ) -> Bound:
        """Return the bound of the program over these groups."""
        if percent is None:
            return prefix_bound(groups, self._shapes, arrivals, patterns)
        return served_bound(groups, self._shapes, arrivals, percent, patterns)

    # ------------------------------------------------------------------ files

    def snapshot(self, path: str | os.PathLike[str]) -> None:
        """Write nodes, mix, prices and all pods to a file that `restore` reads.

        Parameters
        ----------
        path : path-like
            Written whole or left as it was.
        """
        _snapshot.write(path, "Packer", *self._state())

    @classmethod
    def restore(cls, path: str | os.PathLike[str]) -> Packer:
        """Return the packer of a snapshot, which continues as the one that wrote it would have.

        Parameters
        ----------
        path : path-like
            A file written by `snapshot`.

        Returns
        -------
        Packer
            With the same ids.

        Raises
        ------
        InvalidProblemError
            If the file is no snapshot, or damaged.
        """
        meta, arrays = _snapshot.read(path, "Packer")
        with _snapshot.rebuilding(path):
            return cls._from_state(meta, arrays)

    def _state(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return all that further answers depend on, as JSON and arrays."""
        self._settle()
        mix = self._learned.mix
        meta = {
            "policy": self._policy,
            "seed": self._seed,
            "window": self._window,
            "horizons": self._horizons,
            "tuning": self._tuning,
            "learned_at": self._learned.at,
            "models": self._models,
            "templates": [vars(t) for t in self._templates],
            "shapes": list(self._ids),
            "mix": mix is not None,
            # A program that starts from other patterns may end at other prices, as good as these.
            "patterns": _pattern_record(self._learned.patterns),
            "node_patterns": _pattern_record(self._node_patterns),
        }
        arrays = {
            **self._nodes,
            "rank": self._rank,
            **dict(zip(_ARRIVALS, self._core.state(), strict=True)),
        }
        if mix is not None:
            arrays |= dict(zip(("mix_shape", "mix_count", "mix_price"), mix, strict=True))
        return meta, arrays

    @classmethod
    def _from_state(cls, meta: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> Packer:
        """Return the packer of a state."""
        packer = cls.__new__(cls)
        packer._policy, packer._seed = meta["policy"], meta["seed"]
        packer._window, packer._horizons = meta["window"], tuple(meta["horizons"])
        packer._tuning = meta["tuning"]
        templates = [Template.of_record(t) for t in meta["templates"]]
        columns = {name: arrays[name] for name in ("cpu_milli", "memory_mib", "gpu")}
        packer._set_nodes(columns, meta["models"], arrays["rank"], templates)
        for record in meta["shapes"]:
            packer._add_shape(ShapeKey(*record))
        mix = None
        if meta["mix"]:
            mix = arrays["mix_shape"], arrays["mix_count"], arrays["mix_price"]
        patterns = _patterns_of(meta["patterns"])
        packer._learned = _Learned(mix, meta["learned_at"], patterns)
        packer._node_patterns = _patterns_of(meta["node_patterns"])
        packer._give(packer._learned)
        packer._core.restore(*(arrays[name] for name in _ARRIVALS))
        return packer

    def __len__(self) -> int:
        """Return the number of pods so far, refused and released ones included."""
        return len(self._core)

    def __repr__(self) -> str:
        return (
            f"<Packer {self._policy!r}: {len(self._models)} nodes, "
            f"{sum(g.devices for g in self._groups)} devices, {len(self._core)} pods so far>"
        )


def _pattern_record(patterns: Patterns) -> list[Any]:
    return [(group, list(found)) for group, found in patterns.items()]


def _patterns_of(record: list[Any]) -> Patterns:
    return {group: {tuple(map(tuple, p)): None for p in found} for group, found in record}


def _bits(mask: int) -> tuple[int, ...]:
    return tuple(d for d in range(_MOST_DEVICES) if mask >> d & 1)


def _horizons(values: Any) -> tuple[float, ...]:
    try:
        horizons = tuple(_checks.number("horizons", v, 0.0) for v in values)
    except TypeError:
        raise TypeError(f"horizons must be numbers, not {values!r}") from None
    if not horizons or any(not 0 < h < 1e6 for h in horizons):
        raise InvalidProblemError(
            f"horizons: found {values!r}, needed numbers above 0 and below 1e6", "horizons"
        )
    return horizons


def _templates(given: Any) -> list[Template]:
    if given is None:
        return []
    templates = [given] if isinstance(given, Template) else list(given)
    seen: dict[str, int] = {}
    for k, template in enumerate(templates):
        if not isinstance(template, Template):
            raise TypeError(f"templates[{k}] must be a Template, not {type(template).__name__}")
        for model in template.models:
            if model in seen:
                raise InvalidProblemError(
                    f"templates[{k}]: found model {model!r}, which templates[{seen[model]}] has "
                    "too; needed one template a model",
                    "templates",
                    k,
                )
            seen[model] = k
    return templates
