# The types of fastserver/fanout/member.py, which is compiled as fastserver.fanout.member.

cimport cython


@cython.final
cdef class Member:
    cdef public object view, peer, cursor
    cdef public list own_more
    cdef public long long since_bytes, unoffered, own_bytes, own_messages
    cdef public Py_ssize_t own_start, own_end
    cdef public int descriptor
    cdef public bint missing
    cdef sent(self, Py_ssize_t start, Py_ssize_t end, long long messages, Py_ssize_t run)
    @cython.locals(start=Py_ssize_t, end=Py_ssize_t, messages=cython.longlong)
    cdef not_sent(self)
