# The types of fastserver/fanout/tick.py, which is compiled as fastserver.fanout.tick.

cimport cython

cimport fastserver.fanout.batch as _batch
cimport fastserver.fanout.member as _member
cimport fastserver.fanout.view as _view
from fastserver.fanout.limit cimport Limit
from fastserver.fanout.stretch cimport Stretch

cdef Py_ssize_t MAX_BATCH, MAX_PIECES


@cython.final
cdef class Tick:
    cdef public object call_soon, call_later, time, began, _interval, _end, sequencer, _delivery, _route, _stalled
    cdef public _view.View _last
    cdef public set behind
    cdef public double room
    cdef public bint relaying, shown, skips, answers, _scheduled
    cdef public list brakes, _dirty, _resting
    cdef public Stretch _stretch
    cdef public Limit _limit
    cdef public long long published, hold_at, most, _order, _speaker
    cdef public Py_ssize_t _pieces
    cpdef publish(self, _view.View view, _member.Member sender, bytes frames, long long messages, long long number=*)
    cdef pass_on(self, long long number, _view.View view, _member.Member sender, bytes frames, long long messages)
    @cython.locals(order=cython.longlong)
    cpdef collect(self, _view.View view, _member.Member sender, bytes frames, long long messages)
    @cython.locals(
        batches=list, batch=_batch.Batch, view=_view.View, made=Py_ssize_t, remainder=bint, size=cython.longlong,
        largest=cython.longlong
    )
    cpdef write_dirty(self)
    cpdef run(self)
    @cython.locals(one=Stretch, frames=bytes)
    cdef _publish_stretch(self)
    cdef _place(self, _view.View view, _member.Member sender, bytes frames, long long messages, long long number)
    cdef _schedule(self)
