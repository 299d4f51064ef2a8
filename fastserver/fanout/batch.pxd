# The types of fastserver/fanout/batch.py, which is compiled as fastserver.fanout.batch.

cimport cython

from fastserver.fanout.member cimport Member


@cython.final
cdef class Batch:
    cdef public object view
    cdef public long long start, messages, order, largest, cost
    cdef public bytes blob
    cdef public dict ready
    cdef public list senders, several
    @cython.locals(sender=Member)
    cpdef close(self)
    @cython.locals(member=Member)
    cpdef bint send(self, remainder) except -1
