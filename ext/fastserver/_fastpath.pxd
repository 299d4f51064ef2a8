# The types of fastserver/twins/fastpath.py, which is compiled as fastserver._fastpath.

cimport cython

cdef Py_ssize_t MAX_BATCH, READ_SIZE


@cython.final
cdef class Member:
    cdef public Collector channel
    cdef public Endpoint peer
    cdef public object cursor
    cdef public tuple left
    cdef public list own_more
    cdef public long long since_bytes, unoffered, own_bytes, own_messages
    cdef public Py_ssize_t own_start, own_end
    cdef public bint missing
    cdef _sent(self, Py_ssize_t start, Py_ssize_t end, long long messages, Py_ssize_t run)


@cython.final
cdef class Batch:
    cdef public Collector channel
    cdef public long long start, messages, order
    cdef public bytes blob
    cdef public list senders, several
    @cython.locals(sender=Member)
    cpdef close(self)


cdef class Collector:
    cdef public dict ready
    cdef public long long messages, bytes, order
    cdef public Py_ssize_t size
    cdef public list pieces, runs
    cdef public object _tail
    @cython.locals(
        pieces=list, starts=list, several=list, senders=list, sender=Member, frames=bytes, count=cython.longlong,
        at=Py_ssize_t, first=Py_ssize_t, end=Py_ssize_t, number=Py_ssize_t, run=Py_ssize_t, begins=Py_ssize_t,
        messages=cython.longlong, batch=Batch
    )
    cpdef Batch batch(self)
    cdef _begin_run(self, long long order)


@cython.final
cdef class Stretch:
    cdef public Collector channel
    cdef public Member sender
    cdef public bytes frames
    cdef public Py_ssize_t start, end, messages


cdef class Tick:
    cdef public object call_soon, call_later, time, began, _interval, _send_all, _end
    cdef public Collector relaying, _last
    cdef public set behind
    cdef public double room
    cdef public bint _scheduled, _writing
    cdef public list _dirty, _resting, _stalled, _broken
    cdef public Stretch _stretch
    cdef public long long _order, _flushed, _speaker
    cpdef publish(self, Collector channel, Member sender, bytes frames, long long messages)
    cdef pass_on(self, Endpoint sender, bytes frames, long long messages)
    @cython.locals(batches=list, batch=Batch, channel=Collector, first=Collector, flushed=cython.longlong)
    cpdef run(self)
    @cython.locals(one=Stretch)
    cdef _publish_stretch(self)
    cdef _schedule(self)
    @cython.locals(member=Member)
    cdef _write(self, Batch batch)


cdef class Endpoint:
    cdef public object reason, throttle, splitter, last_message, _server
    cdef public Member member
    cdef public Tick _tick
    cdef public long long id, messages_in, bytes_in
    cdef public double _clock, _since
    cdef public int descriptor, _paused
    cdef public bint ended, stuck, closed, _closing
    @cython.locals(size=Py_ssize_t, messages=cython.longlong, frames=bytes, tick=Tick)
    cpdef data_received(self, data)
