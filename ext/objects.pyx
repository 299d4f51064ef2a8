# The splitter that both MessagePack framings share; each adds how a frame begins.
# The twin is fastserver/framing/objects.py.


cdef object unpackb = msgpack.unpackb
cdef Py_ssize_t small = SMALL


@cython.no_gc
@cython.auto_pickle(False)
cdef class ObjectForm(Form):
    """The form of frames whose payloads are MessagePack objects; here with nothing around them."""

    cdef object value(self, bytes payload, object peer):
        hook = getattr(peer, "ext_hook", None)
        if hook is None and PyBytes_GET_SIZE(payload) <= small:
            try:
                return unpackb(payload, strict_map_key=False)
            except UnicodeDecodeError:
                pass
        return MSGPACK.unpack(payload, hook)


@cython.no_gc
@cython.auto_pickle(False)
cdef class ObjectSplitter:
    """Cuts a byte stream into frames that hold one msgpack object each, of at most `max_message` bytes.

    `invalid_text` decides about an object with text that is not UTF-8: `close` refuses it, `skip` leaves it out, and
    one with a malformed timestamp too, `pass` gives it as it is.
    """

    cdef readonly Py_ssize_t count
    cdef readonly Py_ssize_t skipped
    cdef readonly object fault
    cdef InvalidText invalid
    cdef uint64_t limit
    cdef uint64_t offset  # of the first byte held, in the stream
    cdef Buffer buffer
    cdef Scan* scan  # of what is held, NULL if nothing is
    cdef tuple dead  # the refusal, once there was one: what, where, the limit
    cdef bint lost  # the bytes fed last were, for want of memory: nothing can follow them

    def __cinit__(self, max_message, invalid_text="close"):
        self.limit = limit(max_message)
        self.invalid = <InvalidText><int>invalid(invalid_text)

    def __dealloc__(self):
        self.drop()

    cdef Status begin(self, Scan* scan, const uint8_t* data, uint64_t size) noexcept:
        """Reads the frame's prefix and begins the scan; MORE if the prefix is incomplete."""
        return FAULT

    cdef Form form(self):
        """The form of the frames."""
        return None

    cdef uint64_t wanted(self, Scan* scan) noexcept:
        """The largest size (bytes) that the frame can have, as far as is known."""
        return scan.end

    @property
    def held(self) -> int:
        """Bytes kept of the frame that is not complete."""
        return self.buffer.size

    def feed(self, data, /) -> bytes:
        """Takes the next bytes of the stream, gives every frame they complete; FrameError at a wrong one."""
        cdef Input chunk
        self.forget_last()
        if self.dead is not None:
            raise FrameError(*self.dead)
        if self.lost:
            raise MemoryError
        open_input(data, &chunk)
        self.lost = True
        try:
            frames = self.split(data, chunk.bytes, chunk.size)
        finally:
            close_input(&chunk)
        self.lost = False
        return frames

    cdef bytes split(self, object data, const uint8_t* chunk, uint64_t size):
        cdef Scan scan
        cdef Status status = DONE
        cdef uint64_t whole = 0  # bytes of the frame that was held, once it is complete
        cdef uint64_t first = 0  # where in `chunk` that frame ended
        cdef uint64_t at
        cdef uint64_t keep  # where in `chunk` the frames behind what was skipped last begin
        cdef list kept = None  # those before it
        cdef Py_ssize_t count = 0
        cdef bytes frames = b""
        if self.buffer.size and size:
            status = self.resume(chunk, size, &first)
            if status == MORE:
                return b""
            if status == FAULT:
                raise self.refusal(self.scan, b"", 0)
            if self.scan.spoilt:
                self.skip(self.scan, self.offset)
                self.offset += self.scan.at
                self.drop()
            else:
                whole = self.scan.at
                count = 1
        at = keep = first
        while at < size:
            scan.end = 0
            status = self.step(&scan, chunk + at, size - at)
            if status != DONE:
                break
            if scan.spoilt:
                self.skip(&scan, self.offset + whole + at - first)
                if kept is None:
                    kept = [joined(self.buffer.bytes, whole, chunk + first, at - first)]
                elif at > keep:
                    kept.append(PyBytes_FromStringAndSize(<const char*>chunk + keep, at - keep))
                keep = at + scan.at
            else:
                count += 1
            at += scan.at
        if whole or at > first:
            if kept is not None:
                kept.append(PyBytes_FromStringAndSize(<const char*>chunk + keep, at - keep))
                frames = b"".join(kept)
            elif whole or first or at < size or not PyBytes_CheckExact(data):
                frames = joined(self.buffer.bytes, whole, chunk + first, at - first)
            else:
                frames = <bytes>data
            self.offset += whole + at - first
            self.drop()
        if status == FAULT:
            raise self.refusal(&scan, frames, count)
        if at < size:
            self.hold(&scan, chunk + at, size - at)
        self.count = count
        return frames

    cdef void forget_last(self) noexcept:
        self.count = 0
        if self.skipped:
            self.skipped = 0
            self.fault = None

    cdef int skip(self, Scan* scan, uint64_t start) except -1:
        """Leaves out the message that began at `start` of the stream."""
        if self.skipped == 0:
            self.fault = FrameError(*refused(scan, start, self.limit))
        self.skipped += 1
        return 0

    cdef inline Status step(self, Scan* scan, const uint8_t* data, uint64_t size) noexcept:
        cdef Status status
        if scan.end == 0:
            status = self.begin(scan, data, size)
            if status != DONE:
                return status
        return scan_run(scan, data, size)

    cdef Status resume(self, const uint8_t* chunk, uint64_t size, uint64_t* taken) except *:
        """Goes on with the frame held; `taken` becomes the number of bytes of `chunk` that belong to it."""
        cdef Status status = MORE
        cdef uint64_t take
        # Where the frame ends may not be known, so what is appended doubles until it has been found.
        while status == MORE and taken[0] < size:
            take = min(size - taken[0], max(<uint64_t>256, self.buffer.size))
            take = min(take, self.wanted(self.scan) - self.buffer.size)
            buffer_append(&self.buffer, chunk + taken[0], take, self.wanted(self.scan))
            taken[0] += take
            status = self.step(self.scan, self.buffer.bytes, self.buffer.size)
        if status == DONE:
            taken[0] -= self.buffer.size - self.scan.at
        return status

    cdef int hold(self, Scan* scan, const uint8_t* data, uint64_t size) except -1:
        cdef Scan* kept = <Scan*>PyMem_Malloc(sizeof(Scan))
        if kept == NULL:
            raise MemoryError
        kept[0] = scan[0]
        PyMem_Free(self.scan)
        self.scan = kept  # first: where bytes are held there is a scan
        buffer_append(&self.buffer, data, size, self.wanted(scan))
        return 0

    cdef void drop(self) noexcept:
        buffer_clear(&self.buffer)
        PyMem_Free(self.scan)
        self.scan = NULL

    cdef refusal(self, Scan* scan, bytes frames, Py_ssize_t count):
        self.dead = refused(scan, self.offset, self.limit)
        self.drop()
        return FrameError(*self.dead, frames, count)

    def finish(self) -> bytes:
        """Tells the end of the stream: b"", or FrameError if that is inside a frame."""
        self.forget_last()
        if self.lost and self.dead is None:
            raise MemoryError
        if self.buffer.size:
            refuse(self.scan, FAULT_ENDED, 0)
            raise self.refusal(self.scan, b"", 0)
        if self.dead is not None:
            raise FrameError(*self.dead)
        return b""

    def messages(self, bytes frames not None, object peer, Py_ssize_t most=-1, Py_ssize_t start=0) -> Messages:
        """A message per frame of `frames[start:]`, from `peer`; the first `most` if that is not negative."""
        cdef const uint8_t* data = <const uint8_t*>PyBytes_AS_STRING(frames)
        cdef uint64_t size = PyBytes_GET_SIZE(frames), at = start
        cdef Scan scan
        cdef Status status
        cdef Messages found
        if start < 0:
            raise ValueError(f"frames cannot start at {start}")
        found = messages_of(peer, frames, start, self.form())
        while at < size and most != 0:
            status = self.begin(&scan, data + at, size - at)
            if status == DONE:
                if not scan.exact:
                    status = scan_run(&scan, data + at, size - at)
                elif scan.end <= size - at:
                    scan.at = scan.end
                else:
                    status = MORE
            if status == FAULT:
                raise FrameError(*refused(&scan, at, self.limit))
            if status == MORE:
                raise ValueError("frames do not end where a frame ends")
            at += scan.at
            found.append(at)
            most -= 1
        return found


cdef int check(bytes payload, uint64_t max_message, InvalidText invalid) except -1:
    """Raises ValueError if `payload` is not exactly one well-formed object of at most `max_message` bytes, whose text
    may be anything under PASS.
    """
    cdef uint64_t size = PyBytes_GET_SIZE(payload)
    cdef Scan scan
    if size == 0 or size > max_message:
        scan.low = scan.high = size
        refuse(&scan, FAULT_MESSAGE, 0)
    else:
        scan_begin(&scan, 0, size, True, PASS if invalid == PASS else CLOSE)
        if scan_run(&scan, <const uint8_t*>PyBytes_AS_STRING(payload), size) == DONE:
            return 0
    raise ValueError(f"payload: {FrameError(*refused(&scan, 0, max_message))}")
