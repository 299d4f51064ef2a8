# The types of fastserver/fanout/limit.py, which is compiled as fastserver.fanout.limit.

cimport cython


@cython.final
cdef class Limit:
    cdef public long long bytes, _flushed, _check_at, _largest
    cpdef bint flushed(self, long long size, long long largest) except -1
