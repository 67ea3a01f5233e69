"""Templates: MIG instances and vNPU templates as the contents that a device may hold.

A template is a finite automaton: its states are the layouts that are allowed, and each item (a MIG
profile at a start slice, a vNPU template) leads from a layout to a larger one. The packer keeps one
state a device, so no device ever ends in a layout that is not allowed.

Source. The device tables of Project HAMi (charts/hami, device-configmap.yaml) and NVIDIA's MIG
User Guide: geometries are whole-card layouts whose parts may be taken in any number up to theirs;
placements of the A100 with 40 GB are in eighths of its memory. For vNPU the card's cores, memory
and CPUs limit the sum of the templates.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import InvalidProblemError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from numpy.typing import NDArray


#: Model names; then the geometries, each {profile: count}; then milli of the device by profile.
_MIG: tuple[tuple[str, str, dict[str, int]], ...] = (
    ("A30", "1g.6gb*4; 2g.12gb*2; 4g.24gb", {"1g.6gb": 250, "2g.12gb": 500, "4g.24gb": 1000}),
    (
        "A100-SXM4-80GB|A100-80GB-PCIe|A100-PCIE-80GB",
        "1g.10gb*7; 2g.20gb*3+1g.10gb; 3g.40gb*2; 7g.80gb; 7g.79gb",
        {"1g.10gb": 140, "2g.20gb": 280, "3g.40gb": 420, "7g.80gb": 980, "7g.79gb": 980},
    ),
    (
        "H100-PCIE-80GB|H100-SXM5-80GB",
        "1g.10gb*7; 2g.20gb*3+1g.10gb; 3g.40gb*2; 7g.80gb",
        {"1g.10gb": 140, "2g.20gb": 280, "3g.40gb": 420, "7g.80gb": 1000},
    ),
    (
        "H100-PCIE-94GB|H100-SXM5-94GB",
        "1g.12gb*7; 2g.24gb*3+1g.12gb; 3g.47gb*2; 7g.94gb",
        {"1g.12gb": 140, "2g.24gb": 280, "3g.47gb": 420, "7g.94gb": 1000},
    ),
    (
        "H20|H100 on GH200",
        "1g.12gb*7; 2g.24gb*3+1g.12gb; 3g.48gb*2; 7g.96gb",
        {"1g.12gb": 140, "2g.24gb": 280, "3g.48gb": 420, "7g.96gb": 1000},
    ),
    (
        "H200 NVL|H200-SXM5",
        "1g.18gb*7; 2g.35gb*3+1g.18gb; 3g.71gb*2; 7g.141gb",
        {"1g.18gb": 140, "2g.35gb": 280, "3g.71gb": 420, "7g.141gb": 1000},
    ),
    (
        "B200",
        "1g.23gb*7; 2g.45gb*3+1g.23gb; 3g.90gb*2; 7g.180gb",
        {"1g.23gb": 140, "2g.45gb": 280, "3g.90gb": 420, "7g.180gb": 1000},
    ),
    (
        "RTX PRO 6000 Blackwell Server Edition",
        "1g.24gb*4; 2g.48gb*2; 4g.96gb",
        {"1g.24gb": 250, "2g.48gb": 500, "4g.96gb": 1000},
    ),
)
_A100_40 = ("A100-40GB", "A100-SXM4-40GB", "A100-40GB-PCIe", "A100-PCIE-40GB")
#: Of an A100 with 40 GB: milli, length and start of each profile, in eighths of its memory.
_A100_40_PLACES: dict[str, tuple[int, int, tuple[int, ...]]] = {
    "1g.5gb": (140, 1, (0, 1, 2, 3, 4, 5, 6)),
    "2g.10gb": (280, 2, (0, 2, 4)),
    "3g.20gb": (420, 4, (0, 4)),
    "7g.40gb": (1000, 8, (0,)),
}
#: chip: (name, memory in MiB, AI cores, CPUs or 0 where they do not count, templates).
_VNPU: dict[str, tuple[str, int, int, int, dict[str, tuple[int, int, int]]]] = {
    "910A": (
        "Ascend910A",
        32768,
        30,
        0,
        {
            "vir02": (2184, 2, 0),
            "vir04": (4369, 4, 0),
            "vir08": (8738, 8, 0),
            "vir16": (17476, 16, 0),
        },
    ),
    "910B2": (
        "Ascend910B2",
        65536,
        24,
        6,
        {
            "vir03_1c_8g": (8192, 3, 1),
            "vir06_1c_16g": (16384, 6, 1),
            "vir12_3c_32g": (32768, 12, 3),
        },
    ),
    "910B3": (
        "Ascend910B3",
        65536,
        20,
        7,
        {"vir05_1c_16g": (16384, 5, 1), "vir10_3c_32g": (32768, 10, 3)},
    ),
    "910B4-1": (
        "Ascend910B4-1",
        65536,
        20,
        7,
        {"vir05_1c_16g": (16384, 5, 1), "vir10_3c_32g": (32768, 10, 3)},
    ),
    "910B4": (
        "Ascend910B4",
        32768,
        20,
        7,
        {"vir05_1c_8g": (8192, 5, 1), "vir10_3c_16g": (16384, 10, 3)},
    ),
    "310P3": (
        "Ascend310P",
        21527,
        8,
        7,
        {"vir01": (3072, 1, 1), "vir02": (6144, 2, 2), "vir04": (12288, 4, 4)},
    ),
    "Ascend910": (
        "Ascend910C",
        65536,
        20,
        7,
        {"vir05_1c_16g": (16384, 5, 1), "vir10_3c_32g": (32768, 10, 3)},
    ),
}


@dataclass(frozen=True)
class Template:
    """The contents that a device of some models may hold.

    Parameters
    ----------
    models : tuple of str
        The model names of nodes that it applies to.
    weights : dict
        Milli of the device that each profile counts for.
    items : tuple
        ``(profile, place)``: the ways to lay a profile into a device.
    states : tuple
        Allowed layouts, each the sorted numbers of its items; the first is empty.

    Notes
    -----
    Made by `mig` and `vnpu`; `custom` makes one from layouts of your own.
    """

    models: tuple[str, ...]
    weights: dict[str, int]
    items: tuple[tuple[str, int], ...]
    states: tuple[tuple[int, ...], ...]

    @property
    def profiles(self) -> tuple[str, ...]:
        """The profiles' names."""
        return tuple(self.weights)

    @classmethod
    def of_record(cls, record: dict[str, Any]) -> Template:
        """Return the template whose fields were written as JSON."""
        return cls(
            tuple(record["models"]),
            dict(record["weights"]),
            tuple((profile, place) for profile, place in record["items"]),
            tuple(tuple(state) for state in record["states"]),
        )

    @classmethod
    def custom(
        cls, models: Iterable[str], weights: dict[str, int], layouts: Iterable[dict[str, int]]
    ) -> Template:
        """Make a template of largest layouts, each ``{profile: count}``, and their parts.

        Examples
        --------
        >>> from gridcompute import pack
        >>> layouts = [{"half": 2}, {"third": 3}]
        >>> t = pack.Template.custom(["X1"], {"half": 500, "third": 333}, layouts)
        >>> len(t.states)
        6
        """
        largest = [dict(layout) for layout in layouts]
        for k, layout in enumerate(largest):
            for profile, count in layout.items():
                if profile not in weights or count < 1:
                    raise InvalidProblemError(
                        f"layouts[{k}]: found {count} of {profile!r}, needed counts of profiles "
                        f"out of {', '.join(weights)}",
                        "layouts",
                        k,
                    )
        items = tuple((name, 0) for name in weights)

        def allowed(content: tuple[int, ...]) -> bool:
            return any(
                all(content.count(k) <= layout.get(name, 0) for k, (name, _) in enumerate(items))
                for layout in largest
            )

        return _grow(tuple(models), dict(weights), items, allowed)

    def most(self, profile: str) -> int:
        """Return how many of a profile one device holds."""
        of = {k for k, (name, _) in enumerate(self.items) if name == profile}
        return max(sum(k in of for k in state) for state in self.states)

    def native(self) -> tuple[NDArray[np.uint16], NDArray[np.int32], NDArray[np.int32], int]:
        """Return the automaton: next state, profile of an item, milli used, number of profiles."""
        number = {state: k for k, state in enumerate(self.states)}
        following = np.full((len(self.states), len(self.items)), 0xFFFF, np.uint16)
        for k, state in enumerate(self.states):
            for item in range(len(self.items)):
                after = number.get(tuple(sorted((*state, item))))
                if after is not None:
                    following[k, item] = after
        names = list(self.weights)
        profile = np.array([names.index(name) for name, _ in self.items], np.int32)
        used = [sum(self.weights[self.items[i][0]] for i in state) for state in self.states]
        return following.ravel(), profile, np.array(used, np.int32), len(names)


#: The data of a template for the linear program.
Table = Template


def _grow(
    models: tuple[str, ...],
    weights: dict[str, int],
    items: tuple[tuple[str, int], ...],
    allowed: Callable[[tuple[int, ...]], bool],
) -> Template:
    """Return the template of all contents that `allowed` accepts, and so of their parts."""
    for name, weight in weights.items():
        if not 1 <= weight <= 1000:
            raise InvalidProblemError(
                f"weights[{name!r}]: found {weight}, needed 1 to 1000 milli", "weights"
            )
    states: dict[tuple[int, ...], None] = {(): None}
    queue: list[tuple[int, ...]] = [()]
    for state in queue:
        for item in range(len(items)):
            after = tuple(sorted((*state, item)))
            if after in states or not allowed(after):
                continue
            used = sum(weights[items[k][0]] for k in after)
            if used > 1000:
                raise InvalidProblemError(
                    f"layouts: found one of {used} milli, needed at most 1000", "layouts"
                )
            if len(states) >= 0x7FFF:
                raise InvalidProblemError(
                    "layouts: found more than 32767 contents of a device", "layouts"
                )
            states[after] = None
            queue.append(after)
    return Template(models, weights, items, tuple(states))


def mig(model: str) -> Template:
    """Return the MIG layouts of a GPU model, for ``Packer(templates=...)``.

    Parameters
    ----------
    model : str
        As nodes name it, such as "A100-40GB", "A100-SXM4-80GB", "H100-PCIE-80GB", "B200".

    Returns
    -------
    Template
        For the model and its variants of the same chip and memory. Pods name the profile in the
        column ``profile``, such as "1g.5gb".

    Raises
    ------
    InvalidProblemError
        If no layouts of the model are known; the message has those that are.

    Notes
    -----
    The A100 with 40 GB is described by placements, in eighths of its memory: any instances side by
    side at their start slices. Other models are described by their published whole-card geometries,
    and hold part of one geometry at a time. A profile counts as the milli of its compute share.

    Examples
    --------
    >>> from gridcompute import pack
    >>> t = pack.mig("A100-40GB")
    >>> t.profiles
    ('1g.5gb', '2g.10gb', '3g.20gb', '7g.40gb')
    >>> t.most("1g.5gb"), t.most("2g.10gb"), t.most("3g.20gb")
    (7, 3, 2)
    """
    if model in _A100_40:
        items = [(p, start) for p, (_, _, starts) in _A100_40_PLACES.items() for start in starts]
        mask = [((1 << _A100_40_PLACES[p][1]) - 1) << start for p, start in items]

        def apart(content: tuple[int, ...]) -> bool:
            taken = 0
            for item in content:
                if taken & mask[item]:
                    return False
                taken |= mask[item]
            return True

        return _grow(
            _A100_40, {p: w for p, (w, _, _) in _A100_40_PLACES.items()}, tuple(items), apart
        )
    for models, geometries, weights in _MIG:
        if model in models.split("|"):
            return Template.custom(
                models.split("|"), weights, [_geometry(text) for text in geometries.split(";")]
            )
    known = [*_A100_40, *(m for models, _, _ in _MIG for m in models.split("|"))]
    raise InvalidProblemError(
        f"model: found {model!r}, needed one whose MIG layouts are known: {', '.join(known)}",
        "model",
    )


def _geometry(text: str) -> dict[str, int]:
    """Return "2g.20gb*3+1g.10gb" as counts."""
    parts = (part.strip().partition("*") for part in text.split("+"))
    return {name: int(count or 1) for name, _, count in parts}


def vnpu(chip: str) -> Template:
    """Return the vNPU templates of an Ascend chip, for ``Packer(templates=...)``.

    Parameters
    ----------
    chip : str
        "910A", "910B2", "910B3", "910B4", "910B4-1", "310P3" or "Ascend910", or its full name.

    Returns
    -------
    Template
        For nodes whose model is the chip or its full name. Pods name the template in the column
        ``profile``, such as "vir05_1c_16g".

    Raises
    ------
    InvalidProblemError
        If the chip is not known; the message has those that are.

    Examples
    --------
    >>> from gridcompute import pack
    >>> t = pack.vnpu("910B3")
    >>> t.models, t.most("vir05_1c_16g"), t.most("vir10_3c_32g")
    (('910B3', 'Ascend910B3'), 4, 2)
    """
    for name, (full, memory, cores, cpus, templates) in _VNPU.items():
        if chip not in (name, full):
            continue
        limits = (memory, cores, cpus)
        names = list(templates)

        def within(content: tuple[int, ...]) -> bool:
            needed = [sum(templates[names[k]][d] for k in content) for d in range(3)]  # noqa: B023
            return all(n <= limit for n, limit in zip(needed, limits, strict=True) if limit)  # noqa: B023

        return _grow(
            (name, full) if name != full else (name,),
            {t: templates[t][1] * 1000 // cores for t in names},
            tuple((t, 0) for t in names),
            within,
        )
    raise InvalidProblemError(f"chip: found {chip!r}, needed one of {', '.join(_VNPU)}", "chip")
