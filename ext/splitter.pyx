# The base of all splitters. It has no methods of C, since a table of them would take 8 bytes of each splitter.

cdef enum State:
    ALIVE
    LOST  # the bytes fed last were, for want of memory: nothing can follow them
    DEAD


@cython.no_gc
@cython.auto_pickle(False)
cdef class Splitter:
    """The state of a splitter, whatever its grammar."""

    cdef readonly Py_ssize_t count
    cdef readonly object fault
    cdef uint64_t limit
    cdef uint64_t offset  # of the first byte held, in the stream
    cdef Buffer buffer
    cdef readonly uint32_t skipped
    cdef uint8_t state
    cdef uint8_t skips  # messages over the limit are left out
    cdef uint8_t skipping  # what comes next belongs to one of them
    cdef uint8_t variant  # free for the grammar

    def __dealloc__(self):
        buffer_clear(&self.buffer)

    @property
    def held(self) -> int:
        """Bytes kept of the frame that is not complete."""
        return self.buffer.size


cdef inline void forget_last(Splitter self) noexcept:
    """Begins a call: what the last one gave is no more."""
    self.count = 0
    if self.skipped:
        self.skipped = 0
        self.fault = None


cdef list put_by(Splitter self, list kept, const uint8_t* chunk, uint64_t start, uint64_t end):
    """`kept`, a new list if it is None, with the frames in `chunk[start:end]`, the first of which begins in the buffer."""
    if kept is None:
        kept = []
    if end > start:
        kept.append(joined(self.buffer.bytes, self.buffer.size, chunk + start, end - start))
    buffer_clear(&self.buffer)
    return kept


cdef int note_skipped(Splitter self, object fault) except -1:
    """Counts a message that is left out; `fault` says why."""
    if self.skipped == 0:
        self.fault = fault
    self.skipped += 1
    return 0


@cython.no_gc
@cython.auto_pickle(False)
cdef class RefusingSplitter(Splitter):
    """A splitter that keeps its refusal, which it raises again from then on."""

    cdef tuple dead  # the arguments of the refusal, once there was one

    cdef bytes split(self, object data, const uint8_t* chunk, uint64_t size):
        """The frames that `chunk`, the bytes of `data`, completes."""
        return b""

    def feed(self, data, /) -> bytes:
        """Takes the next bytes of the stream, gives every frame they complete; FrameError at a wrong one."""
        cdef Input chunk
        self.check_alive()
        open_input(data, &chunk)
        self.state = LOST
        try:
            frames = self.split(data, chunk.bytes, chunk.size)
        finally:
            close_input(&chunk)
        self.state = ALIVE
        return frames

    cdef int check_alive(self) except -1:
        forget_last(self)
        if self.dead is not None:
            raise FrameError(*self.dead)
        if self.state == LOST:
            raise MemoryError
        return 0
