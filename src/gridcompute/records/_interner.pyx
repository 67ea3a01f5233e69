# cython: boundscheck=False, wraparound=False, auto_pickle=False, autotestdict=False
"""Strings and 64-bit integers to small ids: the interner, and how it and `_ingest` look at single values."""

cimport cython
from cpython.buffer cimport PyBUF_FORMAT, PyBUF_ND, PyBUF_SIMPLE, PyBuffer_Release, PyObject_GetBuffer
from cpython.dict cimport PyDict_GetItemWithError
from cpython.object cimport PyObject
from cpython.unicode cimport PyUnicode_Check, PyUnicode_CheckExact, PyUnicode_FromObject
from libc.stdint cimport int32_t, int64_t

from operator import index as as_index

import numpy as np

from ..errors import InvalidProblemError

cdef extern from "Python.h":
    PyObject* PyDict_SetDefault(object d, object key, object value) except NULL  # borrowed

cdef object ABSENT = object()
cdef int64_t MAX_IDS = 2147483647  # ids are int32, as keys of Terms are


@cython.final
cdef class _Ids:
    """The ids in an array of int32, contiguous and of one dimension, where the caller has them.

    A typed memoryview would do: it takes as many bytes as the rest of this module.
    """

    cdef Py_buffer raw
    cdef const int32_t* at
    cdef Py_ssize_t size

    def __cinit__(self, array):
        PyObject_GetBuffer(array, &self.raw, PyBUF_ND | PyBUF_FORMAT)
        if self.raw.ndim != 1 or self.raw.itemsize != 4 or self.raw.format not in (b"i", b"l"):
            found = f"{self.raw.ndim} dimensions of format {self.raw.format.decode()!r}"
            raise ValueError(f"ids: found {found}, needed one of int32")
        self.at, self.size = <const int32_t*>self.raw.buf, self.raw.shape[0]

    def __dealloc__(self):
        PyBuffer_Release(&self.raw)


cdef void* memory_of(object array) except NULL:
    """The memory of a new array, which lasts as long as the array does."""
    cdef Py_buffer raw
    PyObject_GetBuffer(array, &raw, PyBUF_SIMPLE)
    PyBuffer_Release(&raw)
    return raw.buf


# Lists are made at their length and filled: in a comprehension, Cython up to 3.3 at least releases an item twice where
# memory is short for the list.
@cython.final
cdef class Interner:
    """Gives each key (a str, or an int of 64 bits) a small id, in order of first occurrence.

    Ids are dense int32 from 0, and stay as long as the key is in; `remove` frees an id, and the id freed last is
    given out first. Share one interner over many batches to keep ids stable, and index arrays of length `size`
    by id. A batch that fails leaves no keys behind. An int and the str that spells it are two keys; a bool is no key.

    Parameters
    ----------
    keys : iterable of str or int, optional
        Keys to add at once: the first gets id 0.

    Notes
    -----
    Complexity: every call is O(1) expected for each key. Determinism: ids depend only on the order of calls.
    Not pickled by reference: a pickle or copy is an equal interner of its own.

    Examples
    --------
    >>> from gridcompute import Interner
    >>> sites = Interner(["Guian", "Hami"])
    >>> sites.intern(["Hami", "Wuhu", "Guian"])
    array([1, 2, 0], dtype=int32)
    >>> sites.lookup(["Wuhu", "Paris"])
    array([ 2, -1], dtype=int32)
    >>> sites.remove(["Hami"]), sites.add("Karamay"), sites[1]
    (array([1], dtype=int32), 1, 'Karamay')
    """

    def __cinit__(self):
        self._ids, self._keys, self._free, self._next, self._reused = {}, [], [], None, None

    def __init__(self, keys=()):
        self.intern(keys)

    cdef int idle(self) except -1:
        """Raise if a batch is being added: it may yet be undone, so the ids must not change."""
        if self._reused is not None:
            raise RuntimeError("this interner is taking in a batch: nothing else may change it before that ends")
        return 0

    cdef int open(self) except -1:
        self.idle()
        self._reused, self._size_before = [], len(self._keys)
        return 0

    cdef int close(self, bint keep) except -1:
        """Ends the batch; unless its keys are to be kept, the state is again as it was before."""
        cdef list reused = self._reused
        self._reused, self._next = None, None
        if not keep:
            while len(self._keys) > self._size_before:
                del self._ids[self._keys.pop()]
            while reused:
                self.drop(reused.pop())
        return 0

    cdef int64_t put(self, object key) except -1:
        """The id of an exact str or int, given now if it has none: one look-up either way."""
        if self._next is None:
            self._next = self._free[len(self._free) - 1] if self._free else len(self._keys)
        cdef PyObject* known = PyDict_SetDefault(self._ids, key, self._next)
        if known != <PyObject*>self._next:
            return <int64_t><object>known
        try:
            return self.take(key)
        except BaseException:
            del self._ids[key]
            raise

    cdef int64_t take(self, object key) except -1:
        """The key was new and now holds `_next`: book it. What may be short of memory comes first."""
        cdef int64_t fresh = self._next
        if self._free:
            if self._reused is not None:
                self._reused.append(key)
            self._free.pop()
            self._keys[fresh] = key
        elif fresh < MAX_IDS:
            self._keys.append(key)
        else:
            raise OverflowError(f"an interner holds at most {MAX_IDS} keys")
        self._next = None
        return fresh

    cdef int drop(self, object key) except -1:
        """Frees the id of an exact key, if it has one."""
        freed = self._ids.get(key)
        if freed is not None:
            self._free.append(freed)
            self._keys[<Py_ssize_t>freed] = ABSENT
            del self._ids[key]
        return 0

    def add(self, key):
        """The id of one key; a new key gets the id freed last, or else the next one."""
        self.idle()
        return self.put(exact_key(key))

    def find(self, key):
        """The id of one key, or -1."""
        cdef PyObject* known = PyDict_GetItemWithError(self._ids, exact_key(key))
        return -1 if known is NULL else <object>known

    def intern(self, keys):
        """The ids of many keys, int32 (n_keys,), new ones given as needed; on an error none is added."""
        self.open()
        cdef list given
        cdef Py_ssize_t k
        cdef int32_t* ids
        try:
            given = list(keys)
            found = np.empty(len(given), np.int32)
            ids = <int32_t*>memory_of(found)
            for k in range(len(given)):
                ids[k] = <int32_t>self.put(exact_key(given[k]))
        except BaseException:
            self.close(keep=False)
            raise
        self.close(keep=True)
        return found

    def lookup(self, keys):
        """The ids of many keys, -1 where a key is not in: int32 (n_keys,)."""
        cdef list given = keys if type(keys) is list else list(keys)
        cdef Py_ssize_t n = len(given), k
        found = np.empty(n, np.int32)
        cdef int32_t* ids = <int32_t*>memory_of(found)
        cdef PyObject* known
        for k in range(n):
            known = PyDict_GetItemWithError(self._ids, exact_key(given[k]))
            ids[k] = -1 if known is NULL else <int32_t><object>known
        return found

    cdef object key_of(self, int32_t id):
        key = self._keys[id] if 0 <= id < len(self._keys) else ABSENT
        if key is ABSENT:
            raise IndexError(f"id {id} is not given to any key")
        return key

    def keys(self, ids):
        """The keys of many ids, in a list; an id that is not given is an IndexError."""
        cdef _Ids given = _Ids(ids)
        cdef Py_ssize_t k
        cdef list out = [None] * given.size
        for k in range(given.size):
            out[k] = self.key_of(given.at[k])
        return out

    def numbers(self, ids):
        """The keys of many ids, all of them ints: int64 (n_ids,); a str is a TypeError."""
        cdef _Ids given = _Ids(ids)
        cdef Py_ssize_t k
        out = np.empty(given.size, np.int64)
        cdef int64_t* into = <int64_t*>memory_of(out)
        for k in range(given.size):
            into[k] = self.key_of(given.at[k])
        return out

    def remove(self, keys):
        """Frees many keys and returns the ids they had, int32 (n_keys,); all or, on a KeyError, none."""
        self.idle()
        cdef list given = list(keys)
        freed = self.lookup(given)
        cdef list at = freed.tolist()
        if -1 in at:
            row = at.index(-1)
            raise KeyError(f"keys[{row}] = {shown(given[row])} is not in this interner")
        if len(set(at)) != len(at):
            raise InvalidProblemError("keys to remove must be distinct", "keys")
        self.release(freed)
        return freed

    def release(self, ids):
        """Frees the keys of ids that `lookup` gave, each once: one look-up a key, and no check."""
        self.idle()
        cdef _Ids given = _Ids(ids)
        cdef Py_ssize_t k
        self._free.extend(ids.tolist())  # all that may be short of memory
        for k in range(given.size):
            del self._ids[self._keys[given.at[k]]]
            self._keys[given.at[k]] = ABSENT
        self._next = None

    @property
    def size(self):
        """The length of arrays indexed by id, one more than the largest id ever given."""
        return len(self._keys)

    def __getitem__(self, id):
        cdef Py_ssize_t place = as_index(id)
        key = self._keys[place] if 0 <= place < len(self._keys) else ABSENT
        if key is ABSENT:
            raise IndexError(f"id {id} is not given to any key")
        return key

    def __len__(self):
        return len(self._ids)

    def __contains__(self, key):
        return self.find(key) >= 0

    def __iter__(self):
        """The keys in order of their ids."""
        return iter([key for key in self._keys if key is not ABSENT])

    def __repr__(self):
        return f"<Interner of {len(self)} keys>"

    def __reduce__(self):
        keys = [None if key is ABSENT else key for key in self._keys]
        return (restore_interner, (keys, list(self._free)))


def restore_interner(list keys, list free):
    """An interner from what its pickle holds: keys by id (None = free), and the freed ids in order."""
    cdef Interner made = Interner()
    made._keys = [ABSENT if key is None else key for key in keys]
    made._ids = {key: place for place, key in enumerate(keys) if key is not None}
    made._free, made._next = list(free), None
    absent = [place for place, key in enumerate(keys) if key is None]
    if sorted(made._free) != absent or len(made._ids) + len(absent) != len(keys):
        raise ValueError("this is no state of an interner: keys repeat, or free ids and absent keys disagree")
    return made


cdef str shown(object value):
    """The value as a message can carry it: short, and safe where its repr is broken."""
    if value is None:
        return "None"
    try:
        text = repr(value)
    except Exception:
        text = "a value whose repr fails"
    return f"{text if len(text) <= 60 else text[:57] + '...'} ({type(value).__name__})"


cdef object index_of(object value):
    """The int that an integer of any kind (numpy's, or a class with __index__) is, or None; a bool is none."""
    if isinstance(value, (bool, np.bool_)):
        return None
    try:
        return int(as_index(value))
    except TypeError:
        return None


cdef object exact_key(object key):
    """The key as an exact str or int (hashing then runs no code of the caller's), or TypeError."""
    if PyUnicode_CheckExact(key):
        return key
    if PyUnicode_Check(key):
        return PyUnicode_FromObject(key)
    whole = index_of(key)
    if whole is None:
        raise TypeError(f"a key must be a str or an int, not {shown(key)}")
    if not -(1 << 63) <= whole < 1 << 63:
        raise OverflowError(f"key {shown(key)} does not fit 64 bits")
    return whole
