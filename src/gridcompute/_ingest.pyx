# cython: boundscheck=False, wraparound=False, auto_pickle=False, autotestdict=False
"""The edge where Python objects become columns: one loop over records, one `Column` a field.

Each column owns one growing numpy array and writes through its raw address; a value is converted only if the
result is equal to it, and anything else is an `InvalidProblemError` naming row and field. Nothing here knows what
a job is, and nothing here computes.
"""

cimport cython
from cpython.buffer cimport PyBUF_SIMPLE, PyBuffer_Release, PyObject_GetBuffer
from cpython.datetime cimport (
    PyDateTime_Check,
    datetime_day,
    datetime_hour,
    datetime_microsecond,
    datetime_minute,
    datetime_month,
    datetime_second,
    datetime_tzinfo,
    datetime_year,
    import_datetime,
)
from cpython.dict cimport PyDict_GetItemWithError
from cpython.exc cimport PyErr_CheckSignals
from cpython.float cimport PyFloat_AS_DOUBLE, PyFloat_Check, PyFloat_CheckExact
from cpython.list cimport PyList_GET_SIZE
from cpython.long cimport PyLong_AsLongLongAndOverflow, PyLong_Check, PyLong_CheckExact
from cpython.object cimport PyObject
from cpython.unicode cimport PyUnicode_Check, PyUnicode_CheckExact, PyUnicode_FromObject
from libc.math cimport floor, isfinite, isnan
from libc.stdint cimport int32_t, int64_t, uint8_t

from datetime import datetime, timedelta
from operator import index as as_index
from types import MemberDescriptorType

import numpy as np

from .errors import InvalidProblemError

import_datetime()

cdef extern from "Python.h":
    PyObject* PyDict_SetDefault(object d, object key, object value) except NULL  # borrowed

cdef object ABSENT = object()
cdef object EPOCH_OFFSET_UNIT = timedelta(microseconds=1)
cdef Py_ssize_t FIRST_ROWS = 1024
cdef Py_ssize_t SIGNALS_EVERY = 1 << 16  # rows between looks for Ctrl-C
cdef int64_t MAX_IDS = 2147483647  # ids are int32, as keys of Terms are


cdef str shown(object value):
    """The value as a message can carry it: short, and safe where its repr is broken."""
    if value is None:
        return "None"
    try:
        text = repr(value)
    except Exception:
        text = "a value whose repr fails"
    return f"{text if len(text) <= 60 else text[:57] + '...'} ({type(value).__name__})"


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

    cdef dict _ids
    cdef list _keys  # by id; ABSENT where free
    cdef list _free  # freed ids, last freed last
    cdef object _next  # the id that the next new key gets, as an int
    # The batch being read, should it have to be undone: the keys that took freed ids, in order (None = no batch is
    # open), and the size before, from which on all ids are its own.
    cdef list _reused
    cdef Py_ssize_t _size_before

    def __cinit__(self):
        self._ids, self._keys, self._free, self._next, self._reused = {}, [], [], 0, None

    def __init__(self, keys=()):
        self.intern(keys)

    cdef int idle(self) except -1:
        """A batch in the making may yet be undone, so nobody else may change the ids meanwhile."""
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
        self._reused = None
        if not keep:
            for key in self._keys[self._size_before :]:
                del self._ids[key]
            del self._keys[self._size_before :]
            for key in reversed(reused):
                self.drop(key)
            self.look_ahead()
        return 0

    cdef inline int64_t put(self, object key) except -1:
        """The id of an exact str or int, given now if it has none: one look-up either way."""
        cdef PyObject* known = PyDict_SetDefault(self._ids, key, self._next)
        if known == <PyObject*>self._next:
            return self.take(key)
        return <int64_t><object>known

    cdef int64_t take(self, object key) except -1:
        """The key was new and now holds `_next`: book it."""
        cdef int64_t fresh = self._next
        if self._free:
            self._free.pop()
            self._keys[fresh] = key
            if self._reused is not None:
                self._reused.append(key)
        elif fresh < MAX_IDS:
            self._keys.append(key)
        else:
            del self._ids[key]
            raise OverflowError(f"an interner holds at most {MAX_IDS} keys")
        self.look_ahead()
        return fresh

    cdef int look_ahead(self) except -1:
        self._next = self._free[len(self._free) - 1] if self._free else len(self._keys)
        return 0

    cdef int64_t drop(self, object key) except -1:
        """Frees the id of an exact key that is in."""
        cdef int64_t freed = self._ids.pop(key)
        self._keys[freed] = ABSENT
        self._free.append(freed)
        self.look_ahead()
        return freed

    cdef bint holds_key(self, object key) except -1:
        return PyDict_GetItemWithError(self._ids, key) is not NULL

    def add(self, key):
        """The id of one key; a new key gets the id freed last, or else the next one."""
        self.idle()
        return self.put(exact_key(key))

    def find(self, key):
        """The id of one key, or -1."""
        cdef PyObject* known = PyDict_GetItemWithError(self._ids, exact_key(key))
        return -1 if known is NULL else <object>known

    def intern(self, keys):
        """The ids of many keys, new ones given as needed: int32 (n_keys,). All or, on an error, none are added."""
        cdef IdColumn column = IdColumn("keys", self)
        self.open()
        try:
            for key in keys:
                column.put(exact_key(key))
        except BaseException:
            self.close(keep=False)
            raise
        self.close(keep=True)
        return column.done()

    def lookup(self, keys):
        """The ids of many keys, -1 where a key is not in: int32 (n_keys,)."""
        return np.fromiter((self.find(key) for key in keys), np.int32)

    def remove(self, keys):
        """Frees many keys and returns the ids they had, int32 (n_keys,); all or, on a KeyError, none."""
        self.idle()
        exact = [exact_key(key) for key in keys]
        for row, key in enumerate(exact):
            if not self.holds_key(key):
                raise KeyError(f"keys[{row}] = {shown(key)} is not in this interner")
        if len(set(exact)) != len(exact):
            raise InvalidProblemError("keys to remove must be distinct", "keys")
        return np.array([self.drop(key) for key in exact], np.int32)

    @property
    def size(self):
        """One more than the largest id ever given: the length of arrays indexed by id."""
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
    made._free = list(free)
    made.look_ahead()
    absent = [place for place, key in enumerate(keys) if key is None]
    if sorted(made._free) != absent or len(made._ids) + len(absent) != len(keys):
        raise ValueError("this is no state of an interner: keys repeat, or free ids and absent keys disagree")
    return made


cdef object index_of(object value):
    """The int that an integer of any kind (numpy's, or a class with __index__) is, or None; a bool is none."""
    if isinstance(value, (bool, np.bool_)):
        return None
    try:
        return int(as_index(value))
    except TypeError:
        return None


cdef double float_or_inf(object whole) except? -1:
    """An int as the nearest float, infinite where no float is near."""
    try:
        return whole
    except OverflowError:
        return float("inf")


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


cdef class Column:
    """One field on its way to an array: `put` appends a value or raises, naming row and field."""

    cdef readonly str name
    cdef object array
    cdef char* data
    cdef Py_ssize_t n, room, width
    cdef Column owner  # of the items of a ragged column: its rows are the owner's
    cdef str needed

    def __init__(self, str name, dtype, str needed):
        self.name, self.needed, self.owner = name, needed, None
        self.array = np.empty(0, dtype)
        self.width, self.n, self.room = self.array.itemsize, 0, 0

    cdef int reserve(self, Py_ssize_t room) except -1:
        """Room for so many values. The array is ours alone, so it may move; `data` follows it."""
        cdef Py_buffer raw
        self.array.resize(room, refcheck=False)
        PyObject_GetBuffer(self.array, &raw, PyBUF_SIMPLE)
        self.data, self.room = <char*>raw.buf, room
        PyBuffer_Release(&raw)
        return 0

    cdef inline int step(self) except -1:
        if self.n == self.room:
            self.reserve(max(FIRST_ROWS, 2 * self.room))
        return 0

    cdef int put(self, object value) except -1:
        raise NotImplementedError

    cdef int refuse(self, object value) except -1:
        """Raises for a value that this column cannot hold as it is."""
        where, row = (f"item {self.n - self.start()}: ", self.owner.n) if self.owner is not None else ("", self.n)
        raise InvalidProblemError(
            f"row {row}, field {self.name!r}: {where}found {shown(value)}, needed {self.needed}", self.name, row
        )

    cdef int miss(self, object record, Py_ssize_t row) except -1:
        raise InvalidProblemError(
            f"row {row}, field {self.name!r}: missing in {shown(record)}, needed {self.needed}", self.name, row
        )

    cdef Py_ssize_t start(self):
        """Where the row now being filled began (columns of items)."""
        return (<Ragged>self.owner).begun

    cdef object done(self):
        """The array, exactly as long as the values put."""
        self.array.resize(self.n, refcheck=False)
        self.data, self.room = NULL, 0
        return self.array


@cython.final
cdef class IntColumn(Column):
    """int64 or int32: ints, and what equals an int (numpy ints, 3.0); never a bool, never a fraction."""

    cdef int64_t low, high

    def __init__(self, str name, dtype):
        limits = np.iinfo(dtype)
        self.low, self.high = limits.min, limits.max
        super().__init__(name, dtype, f"an integer from {limits.min} to {limits.max}")

    cdef int put(self, object value) except -1:
        cdef int overflow = 0
        cdef int64_t number
        if not PyLong_CheckExact(value):
            whole = self.whole(value)
            number = PyLong_AsLongLongAndOverflow(whole, &overflow)
        else:
            number = PyLong_AsLongLongAndOverflow(value, &overflow)
        if overflow != 0 or number < self.low or number > self.high:
            self.refuse(value)
        self.step()
        if self.width == 8:
            (<int64_t*>self.data)[self.n] = number
        else:
            (<int32_t*>self.data)[self.n] = <int32_t>number
        self.n += 1
        return 0

    cdef object whole(self, object value):
        """The int that equals a value which is not an exact int."""
        cdef double number
        if PyLong_Check(value) and not isinstance(value, bool):
            return value
        if PyFloat_Check(value):
            number = PyFloat_AS_DOUBLE(value)
            if number == floor(number) and isfinite(number):
                return int(number)
        elif isinstance(value, np.floating):
            if value == np.floor(value) and np.isfinite(value):
                return int(value)
        else:
            number_or_none = index_of(value)
            if number_or_none is not None:
                return number_or_none
        self.refuse(value)


@cython.final
cdef class FloatColumn(Column):
    """float64: floats, and ints that a float64 holds exactly; NaN only where the caller allows it."""

    cdef bint nan

    def __init__(self, str name, bint nan):
        self.nan = nan
        super().__init__(name, np.float64, "a number that float64 holds exactly" + (" or NaN" if nan else ", not NaN"))

    cdef int put(self, object value) except -1:
        cdef double number
        if PyFloat_CheckExact(value):
            number = PyFloat_AS_DOUBLE(value)
        else:
            number = self.exact(value)
        if isnan(number) and not self.nan:
            self.refuse(value)
        self.step()
        (<double*>self.data)[self.n] = number
        self.n += 1
        return 0

    cdef double exact(self, object value) except? -1:
        """The float that equals a value which is not an exact float."""
        if PyFloat_Check(value):
            return PyFloat_AS_DOUBLE(value)
        if isinstance(value, np.floating):
            if np.isnan(value) or np.longdouble(float(value)) == value:
                return float(value)
            self.refuse(value)
        whole = index_of(value)
        if whole is None or float_or_inf(whole) != whole:
            self.refuse(value)
        return float_or_inf(whole)


@cython.final
cdef class BoolColumn(Column):
    """bool: True and False (numpy's too), nothing that is merely truthy."""

    def __init__(self, str name):
        super().__init__(name, np.uint8, "True or False")

    cdef int put(self, object value) except -1:
        if value is not True and value is not False and not isinstance(value, np.bool_):
            self.refuse(value)
        self.step()
        (<uint8_t*>self.data)[self.n] = 1 if value else 0
        self.n += 1
        return 0

    cdef object done(self):
        return Column.done(self).view(np.bool_)


@cython.final
cdef class IdColumn(Column):
    """int32 ids of str or int keys in an `Interner`, which a failed batch leaves as it was."""

    cdef Interner ids

    def __init__(self, str name, Interner ids):
        self.ids = ids
        super().__init__(name, np.int32, "a str, or an int of 64 bits")

    cdef int put(self, object value) except -1:
        cdef int64_t id
        if not PyUnicode_CheckExact(value):
            value = self.exact(value)
        id = self.ids.put(value)
        self.step()
        (<int32_t*>self.data)[self.n] = <int32_t>id
        self.n += 1
        return 0

    cdef object exact(self, object value):
        try:
            return exact_key(value)
        except (TypeError, OverflowError):
            self.refuse(value)


@cython.final
cdef class TimeColumn(Column):
    """datetime64[us]: datetimes, all naive (kept) or all aware (made UTC), or numpy's, if microseconds hold them."""

    cdef bint nan
    cdef object aware  # None until the first datetime

    def __init__(self, str name, bint nan):
        self.nan, self.aware = nan, None
        super().__init__(name, np.int64, "a datetime, naive or aware as the rows before, exact to the microsecond")

    cdef int put(self, object value) except -1:
        cdef int64_t moment = self.numpys(value) if not PyDateTime_Check(value) else self.pythons(value)
        self.step()
        (<int64_t*>self.data)[self.n] = moment
        self.n += 1
        return 0

    cdef int agree(self, object value, bint aware) except -1:
        if self.aware is None:
            self.aware = aware
        if self.aware != aware:
            self.refuse(value)
        return 0

    cdef int64_t pythons(self, object value) except? -1:
        if type(value) is not datetime and (value != value or getattr(value, "nanosecond", 0)):
            self.refuse(value)  # pandas: not a time, or finer than a microsecond
        cdef int64_t days = days_from_civil(datetime_year(value), datetime_month(value), datetime_day(value))
        cdef int64_t seconds = (
            86400 * days + 3600 * datetime_hour(value) + 60 * datetime_minute(value) + datetime_second(value)
        )
        offset = None if datetime_tzinfo(value) is None else value.utcoffset()
        self.agree(value, offset is not None)
        cdef int64_t moment = 1000000 * seconds + datetime_microsecond(value)
        return moment if offset is None else moment - <int64_t>(offset // EPOCH_OFFSET_UNIT)

    cdef int64_t numpys(self, object value) except? -1:
        if not isinstance(value, np.datetime64):
            self.refuse(value)
        moment = value.astype("datetime64[us]")
        if np.isnat(value):
            if not self.nan:
                self.refuse(value)
        elif moment.astype(value.dtype) != value:  # there and back: a comparison would overflow alike
            self.refuse(value)
        else:
            self.agree(value, False)
        return moment.astype(np.int64)

    cdef object done(self):
        return Column.done(self).view("datetime64[us]")


cdef int64_t days_from_civil(int64_t year, int64_t month, int64_t day) noexcept:
    """Days from 1970-01-01 in the proleptic Gregorian calendar, for years 1 to 9999."""
    # Years are counted from March, so that the leap day is the last of its year.
    cdef int64_t y = year - (1 if month <= 2 else 0)
    cdef int64_t m = month + (9 if month <= 2 else -3)
    return 365 * y + y // 4 - y // 100 + y // 400 + (153 * m + 2) // 5 + day - 1 - 719468


@cython.final
cdef class Ragged(Column):
    """Rows of any length: int64 offsets (n_rows + 1,) here, the items in a column of their own."""

    cdef Column items
    cdef Py_ssize_t begun

    def __init__(self, str name, Column items):
        self.items, items.owner = items, self
        super().__init__(name, np.int64, "a list or tuple")

    cdef int put(self, object value) except -1:
        if isinstance(value, np.ndarray) and value.ndim == 1:
            value = list(value)
        elif not isinstance(value, (list, tuple)):
            self.refuse(value)
        self.begun = self.items.n
        for item in value:
            self.items.put(item)
        self.step()
        (<int64_t*>self.data)[self.n] = self.items.n
        self.n += 1
        return 0

    cdef object done(self):
        ends = Column.done(self)
        return np.concatenate([np.zeros(1, np.int64), ends]), self.items.done()


cdef enum Shape:
    DICT, PLACES, MAPPING, ATTRIBUTES


@cython.final
cdef class Reader:
    """How the fields are read from records of one type; looked up once for each run of equal types."""

    cdef tuple names
    cdef type kind
    cdef Shape shape
    cdef bint named
    cdef tuple places  # by field: where a record of places holds it, -1 = nowhere

    def __init__(self, tuple names):
        self.names, self.kind = names, None

    cdef int learn(self, type kind) except -1:
        self.kind, self.named = kind, False
        self.places = tuple(range(len(self.names)))
        if issubclass(kind, dict) and kind.__getitem__ is dict.__getitem__:
            self.shape = DICT
        elif issubclass(kind, (tuple, list)):
            self.shape = PLACES
            if hasattr(kind, "_fields"):
                self.named = True
                self.places = tuple(kind._fields.index(n) if n in kind._fields else -1 for n in self.names)
        elif hasattr(kind, "keys") and hasattr(kind, "__getitem__"):
            self.shape = MAPPING
        else:
            self.shape = ATTRIBUTES
        return 0

    cdef int check(self, object record, Py_ssize_t row) except -1:
        """A record without names must hold exactly the fields."""
        if self.shape == PLACES and not self.named and len(record) != len(self.names):
            raise InvalidProblemError(
                f"row {row}: found {len(record)} values, needed {len(self.names)}: {', '.join(self.names)}",
                "records",
                row,
            )
        return 0

    cdef inline object read(self, object record, Py_ssize_t field):
        """The value of a field, or ABSENT."""
        cdef PyObject* value
        if self.shape == DICT:
            value = PyDict_GetItemWithError(record, <object>self.names[field])
            return ABSENT if value is NULL else <object>value
        return self.read_other(record, field)

    cdef object read_other(self, object record, Py_ssize_t field):
        cdef str name = self.names[field]
        if self.shape == PLACES:
            return ABSENT if self.places[field] < 0 else record[self.places[field]]
        if self.shape == MAPPING:
            try:
                return record[name]
            except (KeyError, IndexError):
                return ABSENT
        try:
            return getattr(record, name)
        except AttributeError:
            # A property that failed inside is the caller's error, not a missing value; an unset slot is missing.
            if isinstance(getattr(self.kind, name, None), (MemberDescriptorType, type(None))):
                return ABSENT
            raise


def read_columns(records, list columns, dict defaults, list interners):
    """Fills `columns` (one `Column` a field, in order) from records; the arrays by field name.

    None and an absent field are replaced by the default of that field, if it has one. `interners` are those of
    the columns, each once; a failure leaves them as they were.
    """
    cdef Interner ids
    cdef list opened = []
    cdef bint whole = False
    try:
        for ids in interners:
            ids.open()
            opened.append(ids)
        fill(records, columns, defaults)
        whole = True
    finally:
        for ids in opened:
            ids.close(whole)
    return {(<Column>column).name: (<Column>column).done() for column in columns}


cdef int fill(object records, list columns, dict defaults) except -1:
    """The loop: record by record, field by field."""
    cdef tuple names = tuple([(<Column>column).name for column in columns])
    cdef tuple stand_ins = tuple([defaults.get(name, ABSENT) for name in names])
    cdef Reader reader = Reader(names)
    cdef Py_ssize_t row = 0, field, n_fields = len(columns)
    cdef Column column
    if isinstance(records, (list, tuple)):
        for column in columns:
            column.reserve(len(records))
    for record in records:
        if type(record) is not reader.kind:
            reader.learn(type(record))
        reader.check(record, row)
        for field in range(n_fields):
            column = <Column>columns[field]
            value = reader.read(record, field)
            if value is ABSENT or value is None:
                value = <object>stand_ins[field]
                if value is ABSENT:
                    column.miss(record, row)
            column.put(value)
        row += 1
        if row % SIGNALS_EVERY == 0:
            PyErr_CheckSignals()
    return 0
