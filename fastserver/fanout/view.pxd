# The types of fastserver/fanout/view.py, which is compiled as fastserver.fanout.view.

cimport cython

from fastserver.fanout.batch cimport Batch
from fastserver.fanout.member cimport Member

cdef Py_ssize_t MAX_READ


@cython.final
cdef class View:
    cdef object __weakref__
    cdef public object channel, framing, backlog
    cdef public tuple others
    cdef public dict ready, behind, idle
    cdef public long long messages, bytes, order
    cdef public Py_ssize_t size, members
    cdef public list pieces, runs
    @cython.locals(
        pieces=list, blob=bytes, starts=list, several=list, senders=list, others=list, sender=Member, other=Member, frames=bytes,
        count=cython.longlong,
        at=Py_ssize_t, first=Py_ssize_t, end=Py_ssize_t, number=Py_ssize_t, run=Py_ssize_t, begins=Py_ssize_t,
        size=Py_ssize_t, largest=Py_ssize_t,
        messages=cython.longlong, batch=Batch
    )
    cpdef Batch batch(self)
    cdef begin_run(self, long long order)
