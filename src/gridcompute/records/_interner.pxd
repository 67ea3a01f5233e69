from libc.stdint cimport int32_t, int64_t


cdef str shown(object value)
cdef object index_of(object value)
cdef object exact_key(object key)


cdef class Interner:
    cdef dict _ids
    cdef list _keys  # by id; ABSENT where free
    cdef list _free  # freed ids, last freed last
    cdef object _next  # the id that the next new key gets, as an int; None = not computed yet
    # The batch being read, should it have to be undone: the keys that took freed ids, in order (None = no batch is
    # open), and the size before, from which on all ids are its own.
    cdef list _reused
    cdef Py_ssize_t _size_before

    cdef int idle(self) except -1
    cdef int open(self) except -1
    cdef int close(self, bint keep) except -1
    cdef int64_t put(self, object key) except -1
    cdef int64_t take(self, object key) except -1
    cdef int drop(self, object key) except -1
    cdef object key_of(self, int32_t id)
