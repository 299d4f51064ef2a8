# The splitter that both MessagePack framings share; each adds how a frame begins.
# The twin is fastserver/framing/objects.py.


cdef object unpackb = msgpack.unpackb
cdef Py_ssize_t small = SMALL


@cython.no_gc
@cython.auto_pickle(False)
cdef class ObjectForm(Form):
    """The form of frames whose payloads are MessagePack objects; here with nothing around them."""

    def __cinit__(self):
        self.writes = True

    cdef int write(self, Output* out, const uint8_t* payload, uint64_t size, uint64_t limit) except -1:
        return REFUSED if size > limit else put(out, payload, size)

    cdef object value(self, bytes payload, object peer):
        hook = getattr(peer, "ext_hook", None)
        if hook is None and PyBytes_GET_SIZE(payload) <= small:
            try:
                return unpackb(payload, strict_map_key=False)
            except UnicodeDecodeError:
                pass
        return MSGPACK.unpack(payload, hook)


cdef enum:
    HEAD = 10  # bytes at most of the head of an element, and of what of its body is looked at with it


@cython.no_gc
@cython.auto_pickle(False)
cdef class ObjectSplitter(RefusingSplitter):
    """Cuts a byte stream into frames that hold one msgpack object each, of at most `max_message` bytes.

    `invalid_text` decides about an object with text that is not UTF-8: `close` refuses it, `skip` leaves it out, and
    one with a malformed timestamp too, `pass` gives it as it is.
    """

    cdef InvalidText invalid
    cdef Scan* scan  # of what is held, or what is skipped; NULL if nothing is

    def __cinit__(self, max_message, invalid_text="close", oversize="close"):
        self.limit = limit(max_message)
        self.invalid = <InvalidText><int>invalid(invalid_text)
        self.skips = skips(oversize)

    def __dealloc__(self):
        self.drop()

    cdef Status begin(self, Scan* scan, const uint8_t* data, uint64_t size) noexcept:
        """Reads the frame's prefix and begins the scan; MORE if the prefix is incomplete."""
        return FAULT

    cdef void begin_pass(self) noexcept:
        """Prepares the scan to `pass_by` the rest of its frame, which is over the limit."""

    cdef Status pass_by(self, const uint8_t* chunk, uint64_t size, uint64_t* taken) except *:
        """Goes on through a frame over the limit, from `chunk[taken]` on, and holds nothing but a head that is cut.

        `offset` is that of the first byte that is not taken.
        """
        return FAULT

    cdef Form form(self):
        """The form of the frames."""
        return None

    cdef uint64_t wanted(self, Scan* scan) noexcept:
        """The largest size (bytes) that the frame can have, as far as is known."""
        return scan.end

    cdef bytes split(self, object data, const uint8_t* chunk, uint64_t size):
        cdef Scan scan
        cdef Status status = DONE
        cdef uint64_t whole = 0  # bytes of the frame that was held, once it is complete
        cdef uint64_t first = 0  # where in `chunk` that frame ended, or one over the limit
        cdef uint64_t at
        cdef uint64_t keep  # where in `chunk` the frames behind what was skipped last begin
        cdef list kept = None  # those before it
        cdef Py_ssize_t count = 0
        cdef bytes frames = b""
        if (self.buffer.size or self.skipping) and size:
            status = self.pass_by(chunk, size, &first) if self.skipping else self.resume(chunk, size, &first)
            if status == MORE:
                return b""
            if status == FAULT:
                raise self.refusal(self.scan, b"", 0)
            if self.skipping:
                self.skipping = False
                self.drop()
            elif self.scan.spoilt:
                note_skipped(self, FrameError(*refused(self.scan, self.offset, self.limit)))
                self.offset += self.scan.at
                self.drop()
            else:
                whole = self.scan.at
                count = 1
        at = keep = first
        while at < size:
            scan.end = scan.at = 0
            status = self.step(&scan, chunk + at, size - at)
            if status == DONE and not scan.spoilt:
                count += 1
                at += scan.at
                continue
            if status != DONE and not (status == FAULT and self.skips and over_limit(&scan)):
                break
            if kept is None:
                kept = [joined(self.buffer.bytes, whole, chunk + first, at - first)]
            elif at > keep:
                kept.append(PyBytes_FromStringAndSize(<const char*>chunk + keep, at - keep))
            self.offset += whole + at - first
            whole = 0
            self.drop()
            if status == DONE:
                note_skipped(self, FrameError(*refused(&scan, self.offset, self.limit)))
                self.offset += scan.at
                first = at + scan.at
            else:
                first = at + scan.at
                self.keep_scan(&scan)
                status = self.overrun(chunk, size, &first)
                if status == FAULT:
                    raise self.refusal(self.scan, b"".join(kept), count)
                if status == MORE:
                    self.count = count
                    return b"".join(kept)
                self.skipping = False
                self.drop()
            at = keep = first
        if whole or at > first or kept is not None:
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
            self.keep_scan(&scan)
            buffer_append(&self.buffer, chunk + at, size - at, self.wanted(&scan))
        self.count = count
        return frames

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
        cdef uint8_t[HEAD] head
        # Where the frame ends may not be known, so what is appended doubles until it has been found.
        while status == MORE and taken[0] < size:
            take = min(size - taken[0], max(<uint64_t>256, self.buffer.size))
            take = min(take, self.wanted(self.scan) - self.buffer.size)
            buffer_append(&self.buffer, chunk + taken[0], take, self.wanted(self.scan))
            taken[0] += take
            status = self.step(self.scan, self.buffer.bytes, self.buffer.size)
        if status == DONE:
            taken[0] -= self.buffer.size - self.scan.at
        elif status == FAULT and self.skips and over_limit(self.scan):
            # Of what was not passed, no more was held before than the beginning of a head.
            take = min(taken[0], self.buffer.size - self.scan.at)
            taken[0] -= take
            take = self.buffer.size - self.scan.at - take
            memcpy(head, self.buffer.bytes + self.scan.at, take)
            buffer_clear(&self.buffer)
            buffer_append(&self.buffer, head, take, HEAD)
            status = self.overrun(chunk, size, taken)
        return status

    cdef Status overrun(self, const uint8_t* chunk, uint64_t size, uint64_t* taken) except *:
        """Leaves out the frame at `offset`, which is over the limit, and goes on through it from `chunk[taken]` on."""
        note_skipped(self, FrameError(*refused(self.scan, self.offset, self.limit)))
        self.scan.began = self.offset
        self.offset += self.scan.at
        scan_shift(self.scan)
        self.skipping = True
        self.begin_pass()
        return self.pass_by(chunk, size, taken)

    cdef int keep_scan(self, Scan* scan) except -1:
        cdef Scan* kept = <Scan*>PyMem_Malloc(sizeof(Scan))
        if kept == NULL:
            raise MemoryError
        kept[0] = scan[0]
        PyMem_Free(self.scan)
        self.scan = kept
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
        self.check_alive()
        if self.buffer.size or self.skipping:
            if self.skipping:
                self.offset = self.scan.began
            refuse(self.scan, FAULT_ENDED, 0)
            raise self.refusal(self.scan, b"", 0)
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
