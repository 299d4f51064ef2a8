# The types of fastserver/fanout/tick.py, which is compiled as fastserver.fanout.tick.

cimport cython

cimport fastserver.fanout.batch as _batch
cimport fastserver.fanout.member as _member
cimport fastserver.fanout.view as _view

cdef Py_ssize_t MAX_BATCH, MAX_PIECES


@cython.final
cdef class Stretch:
    cdef public _view.View view
    cdef public _member.Member sender
    cdef public bytes frames
    cdef public Py_ssize_t start, end, messages
    cdef public long long number


cdef class Tick:
    cdef public object call_soon, call_later, time, began, _interval, _send_all, _end, sequencer
    cdef public _view.View _last
    cdef public set behind
    cdef public double room
    cdef public bint relaying, shown, skips, _noted, _scheduled
    cdef public list brakes, _dirty, _resting, _stalled, _broken
    cdef public Stretch _stretch
    cdef public long long published, hold_at, most, _order, _flushed, _largest, _speaker
    cdef public Py_ssize_t _pieces
    cpdef publish(self, _view.View view, _member.Member sender, bytes frames, long long messages, long long number=*)
    cdef pass_on(self, long long number, _view.View view, _member.Member sender, bytes frames, long long messages)
    @cython.locals(order=cython.longlong)
    cdef _collect(self, _view.View view, _member.Member sender, bytes frames, long long messages)
    @cython.locals(
        batches=list, batch=_batch.Batch, view=_view.View, flushed=cython.longlong, made=Py_ssize_t
    )
    cdef _write_dirty(self)
    cpdef run(self)
    @cython.locals(one=Stretch, frames=bytes)
    cdef _publish_stretch(self)
    cdef _schedule(self)
    @cython.locals(member=_member.Member)
    cdef _write(self, _batch.Batch batch)
