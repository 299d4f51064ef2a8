# The types of fastserver/fanout/stretch.py, which is compiled as fastserver.fanout.stretch.

cimport cython

cimport fastserver.fanout.member as _member
cimport fastserver.fanout.view as _view


@cython.final
cdef class Stretch:
    cdef public _view.View view
    cdef public _member.Member sender
    cdef public bytes frames
    cdef public Py_ssize_t start, end, messages
    cdef public long long number
    cdef bint extend(
        self, _view.View view, _member.Member sender, bytes frames, Py_ssize_t start, Py_ssize_t end
    ) except -1
