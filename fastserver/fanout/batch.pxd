# The types of fastserver/fanout/batch.py, which is compiled as fastserver.fanout.batch.

cimport cython

cdef Py_ssize_t MAX_READ


@cython.final
cdef class Member:
    cdef public Collector channel
    cdef public object peer, cursor
    cdef public list own_more
    cdef public long long since_bytes, unoffered, own_bytes, own_messages
    cdef public Py_ssize_t own_start, own_end
    cdef public int descriptor
    cdef public bint missing
    cdef _sent(self, Py_ssize_t start, Py_ssize_t end, long long messages, Py_ssize_t run)
    @cython.locals(start=Py_ssize_t, end=Py_ssize_t, messages=cython.longlong)
    cdef _not_sent(self)


@cython.final
cdef class Batch:
    cdef public Collector channel
    cdef public long long start, messages, order, largest, cost
    cdef public bytes blob
    cdef public list senders, several
    @cython.locals(sender=Member)
    cpdef close(self)


cdef class Collector:
    cdef public dict ready, behind, idle
    cdef public long long messages, bytes, order
    cdef public Py_ssize_t size
    cdef public list pieces, runs
    cdef public object _tail
    @cython.locals(
        pieces=list, blob=bytes, starts=list, several=list, senders=list, others=list, sender=Member, other=Member, frames=bytes,
        count=cython.longlong,
        at=Py_ssize_t, first=Py_ssize_t, end=Py_ssize_t, number=Py_ssize_t, run=Py_ssize_t, begins=Py_ssize_t,
        size=Py_ssize_t, largest=Py_ssize_t,
        messages=cython.longlong, batch=Batch
    )
    cpdef Batch batch(self)
    cdef _begin_run(self, long long order)
