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
from cpython.long cimport PyLong_AsLongLongAndOverflow, PyLong_Check, PyLong_CheckExact
from cpython.object cimport PyObject
from cpython.unicode cimport PyUnicode_CheckExact
from libc.math cimport floor, isfinite, isnan
from libc.stdint cimport int32_t, int64_t, uint8_t

from ._interner cimport Interner, exact_key, index_of, shown

from datetime import datetime, timedelta
from types import MemberDescriptorType

import numpy as np

from ..errors import InvalidProblemError

import_datetime()

cdef object ABSENT = object()
cdef object EPOCH_OFFSET_UNIT = timedelta(microseconds=1)
cdef Py_ssize_t FIRST_ROWS = 1024
cdef Py_ssize_t SIGNALS_EVERY = 1 << 16  # rows between looks for Ctrl-C


cdef double float_or_inf(object whole) except? -1:
    """An int as the nearest float, infinite where no float is near."""
    try:
        return whole
    except OverflowError:
        return float("inf")


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
        """Make room for `room` values. No other object refers to the array, so it may move, and `data` with it."""
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
