"""Queues in trees: guarantees, limits, weights of one resource; quotas by flavor and resource."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from .._columns import key_list, named_columns
from .._value import Value
from ..errors import InvalidProblemError
from ._inputs import LARGEST, children_of, column, parents_by_name, read_only, top_down
from .division import Division, divide

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import ArrayLike, NDArray

_FIELDS = ("name", "guarantee", "limit", "weight", "priority", "parent")


class Queues(Value):
    """Queues with what they are guaranteed, limited to and weighed by, as typed columns.

    Parameters
    ----------
    name : sequence of str, shape (n_queues,)
        Each once.
    guarantee : int array, shape (n_queues,), optional
        What each has before any surplus is divided. None = 0.
    limit : int array, shape (n_queues,), optional
        The most that each may have; `UNLIMITED` (2**63 - 1), inf, "unlimited" and None are no
        limit.
    weight : int or float array, shape (n_queues,), optional
        Its part of the surplus. None = 1.
    priority : int or float array, shape (n_queues,), optional
        The larger comes first for the surplus. None = 0.
    parent : sequence of str or None, shape (n_queues,), optional
        The queue above each; None = the top level.
    guarantee_by_type, limit_by_type : mapping of str to array, optional
        By type of slot class (an accelerator, say): what each queue is guaranteed of it and limited
        to, columns as `guarantee` and `limit`, beside those of all types together. None in place of
        a column is no guarantee, or no limit. A `Matcher` honours them; `divide` does not read
        them.

    Attributes
    ----------
    guarantee, limit : int64 array, shape (n_queues,)
        `UNLIMITED` where there is no limit.
    types : tuple of str
        The types named by either mapping, in their order.
    guarantee_by_type, limit_by_type : int64 array, shape (n_types, n_queues)
    above : int64 array, shape (n_queues,)
        The index of each parent; -1 = the top level.

    Raises
    ------
    InvalidProblemError
        A name that occurs twice or is unknown, a cycle, a column that does not fit.
    TypeError
        Numbers of a wrong type.

    Examples
    --------
    >>> from gridcompute import fair
    >>> q = fair.Queues(name=["vision", "speech"], guarantee=[2, 2], weight=[1, 3])
    >>> q
    <Queues: 2 queues, 4 guaranteed>
    >>> q.divide(8, [6, 6]).share
    array([3, 5])
    """

    name: tuple[str, ...]
    guarantee: NDArray[np.int64]
    limit: NDArray[np.int64]
    weight: NDArray[Any]
    priority: NDArray[Any]
    parent: tuple[str | None, ...]
    above: NDArray[np.int64]
    types: tuple[str, ...]
    guarantee_by_type: NDArray[np.int64]
    limit_by_type: NDArray[np.int64]

    def __init__(
        self,
        *,
        name: Any,
        guarantee: Any = None,
        limit: Any = None,
        weight: Any = None,
        priority: Any = None,
        parent: Any = None,
        guarantee_by_type: Any = None,
        limit_by_type: Any = None,
    ) -> None:
        """Check and convert all columns."""
        names = texts("name", name, None)
        n = len(names)
        seen: dict[str, int] = {}
        for k, text in enumerate(names):
            if seen.setdefault(text, k) != k:
                raise InvalidProblemError(f"name[{k}]: {text!r} is there twice", "name", k)
        owed = _guarantees("guarantee", guarantee, n)
        parents = [None] * n if parent is None else texts("parent", parent, n, none=True)
        above = parents_by_name("parent", names, parents)
        top_down("parent", above)
        self.name, self.parent = tuple(names), tuple(parents)
        self.guarantee = read_only(owed)
        self.limit = read_only(_limits("limit", limit, n))
        owed_of = _by_type("guarantee_by_type", guarantee_by_type)
        limit_of = _by_type("limit_by_type", limit_by_type)
        self.types = tuple(dict.fromkeys([*owed_of, *limit_of]))
        rows = np.zeros((2, len(self.types), n), np.int64)
        for t, kind in enumerate(self.types):
            rows[0, t] = _guarantees(f"guarantee_by_type[{kind!r}]", owed_of.get(kind), n)
            rows[1, t] = _limits(f"limit_by_type[{kind!r}]", limit_of.get(kind), n)
        self.guarantee_by_type, self.limit_by_type = read_only(rows[0]), read_only(rows[1])
        self.weight = read_only(
            np.array(column("weight", 1 if weight is None else weight, n, "n_queues"))
        )
        given = 0 if priority is None else priority
        self.priority = read_only(
            np.array(column("priority", given, n, "n_queues", infinite=True, least=None))
        )
        self.above = read_only(above)

    def __repr__(self) -> str:
        return f"<Queues: {len(self)} queues, {sum(self.guarantee.tolist())} guaranteed>"

    def __len__(self) -> int:
        return len(self.name)

    @classmethod
    def from_columns(
        cls, table: Any, *, guarantee_by_type: Any = None, limit_by_type: Any = None
    ) -> Queues:
        """Build queues from a mapping of columns, a data frame or an Arrow table.

        Parameters
        ----------
        table : table
            Columns ``name``, ``guarantee``, ``limit``, ``weight``, ``priority``, ``parent``; an
            empty limit is none, an empty parent the top level.
        guarantee_by_type, limit_by_type : mapping of str to array, optional
            As of the constructor, in the order of the table's rows.

        Returns
        -------
        Queues

        Raises
        ------
        InvalidProblemError
            A column that is missing or unknown, and what the constructor refuses.
        """
        columns, _ = named_columns(table, _FIELDS)
        by_type = {"guarantee_by_type": guarantee_by_type, "limit_by_type": limit_by_type}
        return cls(**columns, **by_type)

    def divide(self, total: float, request: ArrayLike, *, given: ArrayLike = 0) -> Division:
        """Divide a total among the queues by `gridcompute.fair.divide`.

        Parameters
        ----------
        total : int or float
            What there is.
        request : int or float array, shape (n_queues,)
            What each asks for; of an inner queue, for all below it.
        given : int or float array, shape (n_queues,), optional
            What each has already.

        Returns
        -------
        Division
        """
        return divide(
            total,
            guarantee=self.guarantee,
            request=request,
            weight=self.weight,
            limit=np.where(self.limit == UNLIMITED, math.inf, self.limit),
            priority=self.priority,
            given=given,
            parent=self.above,
        )


def _guarantees(field: str, values: Any, n: int) -> NDArray[np.int64]:
    """Return a column of guarantees; None = 0."""
    owed = column(field, 0 if values is None else values, n, "n_queues", integers=True)
    if n and owed.max() > UNLIMITED:
        k = int(owed.argmax())
        raise InvalidProblemError(
            f"{field}[{k}]: found {owed[k]}, needed at most 2**63 - 1", field, k
        )
    return owed.astype(np.int64)


def _limits(field: str, values: Any, n: int) -> NDArray[np.int64]:
    """Return a column of limits; one value is that of all queues, None no limit."""
    if isinstance(values, str) or (values is not None and np.ndim(values) == 0):
        values = [values] * n
    return amount_column(field, values, n, "n_queues", missing=True)


def _by_type(field: str, given: Any) -> dict[str, Any]:
    """Return columns by the name of a type."""
    if given is None:
        return {}
    if not isinstance(given, Mapping):
        raise TypeError(
            f"{field} must be a mapping of types to columns, not {type(given).__name__}"
        )
    for name in given:
        if not isinstance(name, str):
            raise TypeError(f"{field}: a type must be str, not {type(name).__name__}")
    return dict(given)


#: The amount that is none: the largest int64, as in Kueue.
UNLIMITED = LARGEST

Key = tuple[str, str]  # flavor, resource
Amount = int | float  # an exact integer, or inf

_KINDS = ("queue", "cohort")
_NODE_FIELDS = ("name", "parent", "kind", "weight")
_QUOTA_FIELDS = ("node", "flavor", "resource", "nominal", "lending_limit", "borrowing_limit")


class Quota(NamedTuple):
    """The quota of one node for one flavor and resource; inf = unlimited."""

    nominal: Amount
    lending_limit: Amount
    borrowing_limit: Amount


class Tree(NamedTuple):
    """The tree as the arithmetic reads it: by index of the node, by flavor and resource."""

    node: dict[str, int]  # index by name
    order: list[int]  # each node after its parent
    parent: list[int]
    root: list[int]
    own: list[dict[Key, Quota]]
    subtree: list[dict[Key, Amount]]


class Quotas(Value):
    """A tree of cohorts and queues with their quotas, as typed columns; checked when it is built.

    Amounts are whole (Kueue: milli for cpu, units for other resources). `UNLIMITED` (2**63 - 1),
    inf and "unlimited" are no limit; an amount beyond int64 is an error, sums are exact.

    Parameters
    ----------
    name : sequence of str, shape (n_nodes,)
        Each once.
    parent : sequence of str or None, shape (n_nodes,), optional
        The cohort above each node; None = a root. None = all are roots.
    kind : sequence of str, shape (n_nodes,), optional
        "queue" (a leaf, which has usage) or "cohort". None = cohorts are what has children.
    weight : int or float array, shape (n_nodes,), optional
        The divisor of a share, 0 or more. None = 1.
    node, flavor, resource : sequence of str, shape (n_quotas,), optional
        What each quota is for, each triple once.
    nominal : sequence of amounts, shape (n_quotas,), optional
        The node's own quota.
    lending_limit : sequence of amounts or None, shape (n_quotas,), optional
        The most of its subtree's quota that the node lends; None = all of it.
    borrowing_limit : sequence of amounts or None, shape (n_quotas,), optional
        The most that the subtree may use beyond its quota; None = whatever there is.

    Attributes
    ----------
    nominal, lending_limit, borrowing_limit : int64 array, shape (n_quotas,)
        `UNLIMITED` where there is no limit.
    above : int64 array, shape (n_nodes,)
        The index of each node's parent; -1 = a root.

    Raises
    ------
    InvalidProblemError
        A name that occurs twice or is unknown, a cycle, a cohort or quota that does not fit.
    TypeError
        An amount that is no integer.

    Examples
    --------
    >>> from gridcompute import fair
    >>> q = fair.Quotas(
    ...     name=["all", "a", "b"], parent=[None, "all", "all"],
    ...     node=["a", "b"], flavor=["h100"] * 2, resource=["gpu"] * 2, nominal=[6, 4],
    ... )
    >>> q
    <Quotas: 3 nodes (1 cohorts), 2 quotas>
    >>> q.subtree("all")
    {('h100', 'gpu'): 10}
    """

    name: tuple[str, ...]
    parent: tuple[str | None, ...]
    kind: tuple[str, ...]
    weight: NDArray[Any]
    node: tuple[str, ...]
    flavor: tuple[str, ...]
    resource: tuple[str, ...]
    nominal: NDArray[np.int64]
    lending_limit: NDArray[np.int64]
    borrowing_limit: NDArray[np.int64]
    above: NDArray[np.int64]
    tree: Tree

    def __init__(
        self,
        *,
        name: Any,
        parent: Any = None,
        kind: Any = None,
        weight: Any = None,
        node: Any = (),
        flavor: Any = (),
        resource: Any = (),
        nominal: Any = (),
        lending_limit: Any = None,
        borrowing_limit: Any = None,
    ) -> None:
        """Check and convert all columns."""
        names = texts("name", name, None)
        n = len(names)
        index: dict[str, int] = {}
        for k, text in enumerate(names):
            if index.setdefault(text, k) != k:
                raise InvalidProblemError(f"name[{k}]: {text!r} is there twice", "name", k)
        parents = [None] * n if parent is None else texts("parent", parent, n, none=True)
        above = parents_by_name("parent", names, parents)
        order = top_down("parent", above)
        kinds = _kinds(kind, names, above)
        weights = column("weight", 1 if weight is None else weight, n, "n_nodes")
        nodes = texts("node", node, None)
        m = len(nodes)
        flavors, resources = texts("flavor", flavor, m), texts("resource", resource, m)
        amounts = (
            amount_column("nominal", nominal, m, "n_quotas", missing=False),
            amount_column("lending_limit", lending_limit, m, "n_quotas", missing=True),
            amount_column("borrowing_limit", borrowing_limit, m, "n_quotas", missing=True),
        )
        own: list[dict[Key, Quota]] = [{} for _ in range(n)]
        for k, text in enumerate(nodes):
            if text not in index:
                raise InvalidProblemError(
                    f"node[{k}]: found {text!r}, needed the name of a node", "node", k
                )
            key = (flavors[k], resources[k])
            if key in own[index[text]]:
                raise InvalidProblemError(f"node[{k}]: {text!r} has two quotas of {key}", "node", k)
            own[index[text]][key] = Quota(*(_exact(int(column[k])) for column in amounts))
        self.name, self.parent, self.kind = tuple(names), tuple(parents), tuple(kinds)
        self.weight = read_only(np.array(weights))
        self.node, self.flavor, self.resource = tuple(nodes), tuple(flavors), tuple(resources)
        self.nominal, self.lending_limit, self.borrowing_limit = map(read_only, amounts)
        self.above = read_only(above)
        root = list(range(n))
        for k in order:
            if above[k] >= 0:
                root[k] = root[int(above[k])]
        self.tree = Tree(index, order, above.tolist(), root, own, _subtrees(order, above, own))

    def __repr__(self) -> str:
        cohorts = sum(kind == "cohort" for kind in self.kind)
        return f"<Quotas: {len(self.name)} nodes ({cohorts} cohorts), {len(self.nominal)} quotas>"

    @classmethod
    def from_nodes(cls, nodes: Iterable[Mapping[str, Any]]) -> Quotas:
        """Build the tree from records, one a node.

        Parameters
        ----------
        nodes : iterable of mappings
            ``name``; optionally ``parent``, ``kind``, ``weight`` and ``quotas``, a list of mappings
            with ``flavor``, ``resource``, ``nominal`` and optionally ``lending_limit`` and
            ``borrowing_limit``.

        Returns
        -------
        Quotas

        Raises
        ------
        InvalidProblemError
            A field that is missing or unknown, and what the constructor refuses.

        Examples
        --------
        >>> from gridcompute import fair
        >>> fair.Quotas.from_nodes([
        ...     {"name": "all", "kind": "cohort"},
        ...     {"name": "a", "parent": "all", "quotas": [
        ...         {"flavor": "h100", "resource": "gpu", "nominal": 6}]},
        ... ])
        <Quotas: 2 nodes (1 cohorts), 1 quotas>
        """
        columns: dict[str, list[Any]] = {field: [] for field in (*_NODE_FIELDS, *_QUOTA_FIELDS)}
        records = list(nodes)
        for k, record in enumerate(records):
            _fields(f"nodes[{k}]", record, {"name"}, {"parent", "kind", "weight", "quotas"})
            for field, default in (("name", None), ("parent", None), ("kind", None), ("weight", 1)):
                columns[field].append(record.get(field, default))
            for j, quota in enumerate(record.get("quotas") or ()):
                where = f"nodes[{k}].quotas[{j}]"
                _fields(
                    where,
                    quota,
                    {"flavor", "resource", "nominal"},
                    {"lending_limit", "borrowing_limit"},
                )
                columns["node"].append(record["name"])
                for field in _QUOTA_FIELDS[1:]:
                    columns[field].append(quota.get(field))
        parents = {parent for parent in columns["parent"] if parent is not None}
        columns["kind"] = [
            kind if kind is not None else "cohort" if name in parents else "queue"
            for name, kind in zip(columns["name"], columns["kind"], strict=True)
        ]
        return cls(**columns)

    @classmethod
    def from_columns(cls, nodes: Any, quotas: Any) -> Quotas:
        """Build the tree from two tables: mappings of columns, data frames or Arrow tables.

        Parameters
        ----------
        nodes : table
            Columns ``name``, ``parent``, ``kind``, ``weight``.
        quotas : table
            Columns ``node``, ``flavor``, ``resource``, ``nominal``, ``lending_limit``,
            ``borrowing_limit``; an empty entry of the last two is no limit.

        Returns
        -------
        Quotas

        Raises
        ------
        InvalidProblemError
            A column that is missing or unknown, and what the constructor refuses.

        Examples
        --------
        >>> from gridcompute import fair
        >>> fair.Quotas.from_columns(
        ...     {"name": ["all", "a"], "parent": [None, "all"], "kind": ["cohort", "queue"],
        ...      "weight": [1, 1]},
        ...     {"node": ["a"], "flavor": ["h100"], "resource": ["gpu"], "nominal": [6],
        ...      "lending_limit": [2], "borrowing_limit": [None]},
        ... ).subtree("all")
        {('h100', 'gpu'): 2}
        """
        first, _ = named_columns(nodes, _NODE_FIELDS)
        second, _ = named_columns(quotas, _QUOTA_FIELDS)
        return cls(**first, **second)

    def find(self, name: str, field: str = "name") -> int:
        """Return the index of a node by its name."""
        index = self.tree.node
        if name not in index:
            raise InvalidProblemError(f"{field}: found {name!r}, needed the name of a node", field)
        return index[name]

    def subtree(self, name: str) -> dict[Key, Amount]:
        """Return the quota of a node and all below it, less what the nodes below keep.

        Parameters
        ----------
        name : str
            The node.

        Returns
        -------
        dict
            By (flavor, resource): an exact int, or inf where it is unlimited.

        Raises
        ------
        InvalidProblemError
            There is no such node.
        """
        return dict(self.tree.subtree[self.find(name)])


def amount_of(field: str, value: Any, index: int | None = None, least: int = 0) -> Amount:
    """Return an amount as an exact int; "unlimited", inf and `UNLIMITED` are inf."""
    where = field if index is None else f"{field}[{index}]"
    if isinstance(value, str):
        if value == "unlimited":
            return math.inf
        raise InvalidProblemError(
            f"{where}: found {value!r}, needed an integer or 'unlimited'", field, index
        )
    if isinstance(value, (float, np.floating)):
        if value == math.inf:
            return math.inf
        if not float(value).is_integer():
            raise InvalidProblemError(
                f"{where}: found {value}, needed a whole number (milli for parts)", field, index
            )
        value = int(value)
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, (int, np.integer)):
        raise TypeError(f"{where} must be an integer, not {type(value).__name__}")
    whole = int(value)
    if not least <= whole <= UNLIMITED:
        raise InvalidProblemError(
            f"{where}: found {whole}, needed {least} to 2**63 - 1, or 'unlimited'", field, index
        )
    return _exact(whole)


def _exact(amount: int) -> Amount:
    """Return an entry of a column of amounts, `UNLIMITED` as inf."""
    return math.inf if amount == UNLIMITED else amount


def _kinds(kind: Any, names: Sequence[str], above: NDArray[np.int64]) -> list[str]:
    """Return "queue" or "cohort" for each node; a queue has nothing below it."""
    children = children_of(above)
    if kind is None:
        return ["cohort" if k in children else "queue" for k in range(len(names))]
    kinds = texts("kind", kind, len(names))
    for k, word in enumerate(kinds):
        if word not in _KINDS:
            raise InvalidProblemError(
                f"kind[{k}]: found {word!r}, needed 'queue' or 'cohort'", "kind", k
            )
        if word == "queue" and k in children:
            below = names[children[k][0]]
            raise InvalidProblemError(
                f"kind[{k}]: found 'queue', needed 'cohort', as the parent of {below!r}", "kind", k
            )
    return kinds


def amount_column(
    field: str, values: Any, n: int, name: str, *, missing: bool
) -> NDArray[np.int64]:
    """Return n amounts as int64; a missing one is unlimited where that may be."""
    if values is None and missing:
        return np.full(n, UNLIMITED, np.int64)
    entries = _entries(field, values)
    if len(entries) != n:
        raise InvalidProblemError(
            f"{field}: found {len(entries)} entries, needed ({name},) = ({n},)", field
        )
    out = np.empty(n, np.int64)
    for k, value in enumerate(entries):
        if missing and (value is None or value != value):  # NaN: an empty cell of a data frame
            out[k] = UNLIMITED
        else:
            amount = amount_of(field, value, k)
            out[k] = UNLIMITED if amount == math.inf else amount
    return out


def _entries(field: str, values: Any) -> list[Any]:
    """Return a column as a list of Python objects."""
    if isinstance(values, (str, bytes)) or np.isscalar(values):
        raise TypeError(f"{field} must be a sequence, not {type(values).__name__}")
    return key_list(field, values, ordered=True)


def texts(field: str, values: Any, n: int | None, none: bool = False) -> list[Any]:
    """Return a column of strings, None among them where that may be."""
    entries = _entries(field, values)
    if n is not None and len(entries) != n:
        raise InvalidProblemError(f"{field}: found {len(entries)} entries, needed {n}", field)
    for k, value in enumerate(entries):
        if none and (value is None or value != value):
            entries[k] = None
        elif not isinstance(value, str):
            raise TypeError(f"{field}[{k}] must be a str, not {type(value).__name__}")
    return entries


def _fields(where: str, record: Any, needed: set[str], allowed: set[str]) -> None:
    """Refuse a record with fields that are missing or unknown."""
    if not isinstance(record, Mapping):
        raise TypeError(f"{where} must be a mapping, not {type(record).__name__}")
    missing, unknown = needed - set(record), set(record) - needed - allowed
    if missing or unknown:
        words = sorted(missing) or sorted(map(str, unknown))
        raise InvalidProblemError(
            f"{where}: found {'no' if missing else 'unknown'} field {words[0]!r}, needed "
            f"{', '.join(sorted(needed))}, and perhaps {', '.join(sorted(allowed))}",
            where,
        )


def local_part(subtree: Amount, quota: Quota | None) -> Amount:
    """Return what a node keeps of its subtree's quota: all beyond its lending limit."""
    if quota is None or quota.lending_limit == math.inf:
        return 0
    return max(0, subtree - quota.lending_limit)


def _subtrees(
    order: Sequence[int], above: NDArray[np.int64], own: list[dict[Key, Quota]]
) -> list[dict[Key, Amount]]:
    """Return the subtree quota of each node: its nominal, and what its children lend."""
    out: list[dict[Key, Amount]] = [{k: q.nominal for k, q in quotas.items()} for quotas in own]
    for node in reversed(order):
        parent = int(above[node])
        if parent < 0:
            continue
        for key, amount in out[node].items():
            quota = own[node].get(key)
            lent = amount if quota is None else min(amount, quota.lending_limit)
            out[parent][key] = out[parent].get(key, 0) + lent
    return out
