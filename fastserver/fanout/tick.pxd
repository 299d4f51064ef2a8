# The types of fastserver/fanout/tick.py, which is compiled as fastserver.fanout.tick.

cimport cython

cimport fastserver.fanout.batch as _batch

cdef Py_ssize_t MAX_BATCH, MAX_PIECES


@cython.final
cdef class Stretch:
    cdef public _batch.Collector channel
    cdef public _batch.Member sender
    cdef public bytes frames
    cdef public Py_ssize_t start, end, messages


cdef class Tick:
    cdef public object call_soon, call_later, time, began, _interval, _send_all, _end
    cdef public _batch.Collector relaying, _last
    cdef public set behind
    cdef public double room
    cdef public bint shown, skips, _noted, _scheduled, _writing
    cdef public list brakes, _dirty, _resting, _stalled, _broken
    cdef public Stretch _stretch
    cdef public long long published, hold_at, most, _order, _flushed, _largest, _speaker
    cdef public Py_ssize_t _pieces
    cpdef publish(self, _batch.Collector channel, _batch.Member sender, bytes frames, long long messages)
    cdef pass_on(self, long long number, _batch.Member sender, bytes frames, long long messages)
    cdef _collect(self, _batch.Collector channel, _batch.Member sender, bytes frames, long long messages)
    @cython.locals(
        batches=list, batch=_batch.Batch, channel=_batch.Collector, flushed=cython.longlong, made=Py_ssize_t
    )
    cpdef run(self)
    @cython.locals(one=Stretch, frames=bytes)
    cdef _publish_stretch(self)
    cdef _schedule(self)
    @cython.locals(member=_batch.Member)
    cdef _write(self, _batch.Batch batch)
