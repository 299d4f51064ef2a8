# The types of fastserver/peers/reading.py, which is compiled as fastserver.peers.reading.

cimport cython

cimport fastserver.fanout.member as _member
cimport fastserver.fanout.view as _view
cimport fastserver.fanout.tick as _tick

cdef Py_ssize_t FULL_READ


cdef class Reading:
    cdef public object address, hub, inbox, last_message, link, reason, splitter, throttle
    cdef public _member.Member member
    cdef public _view.View view
    cdef public _tick.Tick _tick
    cdef public long long id, messages_in, bytes_in
    cdef public double _clock, _since
    cdef public int _paused, stage
    cdef public bint ended
    @cython.locals(size=Py_ssize_t, messages=cython.longlong, frames=bytes, tick=_tick.Tick)
    cpdef data_received(self, data)
