# The types of fastserver/peers/endpoint.py, which is compiled as fastserver.peers.endpoint.

cimport cython

cimport fastserver.fanout.batch as _batch
cimport fastserver.fanout.tick as _tick

cdef Py_ssize_t FULL_READ


cdef class Endpoint:
    cdef public object address, reason, throttle, splitter, last_message, hub
    cdef public _batch.Member member
    cdef public _tick.Tick _tick
    cdef public long long id, messages_in, bytes_in
    cdef public double _clock, _since
    cdef public int descriptor, error, _paused
    cdef public bint ended, finished, stuck, closed, _closing
    @cython.locals(size=Py_ssize_t, messages=cython.longlong, frames=bytes, tick=_tick.Tick)
    cpdef data_received(self, data)
