# The splitter of frames that begin with the length of their payload; each grammar adds how.
# The twin is fastserver/framing/headed.py.

cdef enum:
    LONGEST_HEAD = 20  # bytes
    NUL = 0x00
    SPACE = 0x20

cdef struct Sizes:  # in bytes
    uint64_t head
    uint64_t payload


@cython.no_gc
@cython.auto_pickle(False)
cdef class HeadedForm(Form):
    """A head that tells the length of the payload, the payload, and perhaps a byte behind it."""

    cdef uint64_t least, most  # bytes of the shortest and the longest payload that a head can tell
    cdef uint8_t tail  # bytes behind each payload, 0 or 1
    cdef uint8_t tail_byte

    def __cinit__(self):
        self.writes = True

    cdef uint64_t head(self, uint64_t length, uint8_t* into) noexcept:
        """Writes the head of a payload of that length (bytes): how many bytes that were."""
        return 0

    cdef int write(self, Output* out, const uint8_t* payload, uint64_t size, uint64_t limit) except -1:
        cdef uint8_t* to = NULL
        if self.least <= size <= min(limit, self.most):
            to = room(out, LONGEST_HEAD + size + 1)
        if to == NULL:
            return REFUSED
        out.size += self.write_frame(to, payload, size)
        return WRITTEN

    cdef uint64_t write_frame(self, uint8_t* to, const uint8_t* payload, uint64_t size) noexcept:
        """Writes a frame: how many bytes that were."""
        cdef uint64_t before = self.head(size, to)
        memcpy(to + before, payload, size)
        if self.tail:
            to[before + size] = self.tail_byte
        return before + size + self.tail


cdef HeadedForm headed_form = HeadedForm()


@cython.no_gc
@cython.auto_pickle(False)
cdef class HeadedSplitter(RefusingSplitter):
    """Cuts a byte stream into frames that are a head, a payload of at most `max_message` bytes, and a tail.

    A longer payload is refused, or with `oversize="skip"` thrown away as it comes, exactly as long as its head says.
    """

    cdef HeadedForm form
    # The frame in progress begins at `offset` of the stream.
    cdef uint64_t whole  # bytes of it, once its head is complete
    cdef uint64_t passed  # bytes of it that were thrown away
    cdef uint64_t left  # bytes of it that are still to be thrown away
    cdef bint loose  # LF, CR, space and NUL may stand between frames; they are not passed on

    def __cinit__(self, max_message, invalid_text="close", oversize="close", **grammar):
        self.limit = limit(max_message)
        invalid(invalid_text)  # checked alone: payloads may hold any bytes
        self.skips = skips(oversize)
        self.form = headed_form  # never None, whoever makes one of no grammar

    cdef int read(self, const uint8_t* data, uint64_t size, uint64_t start, Sizes* found) except -1:
        """Reads the head at `data`, which is at `start` of the stream: 1, or 0 if it is incomplete.

        Raises FrameError at the first byte that shows that it is malformed or, unless such payloads are skipped, that
        the payload is over the limit.
        """
        return 0

    cdef bytes split(self, object data, const uint8_t* chunk, uint64_t size):
        cdef uint64_t base = self.offset + self.passed + self.buffer.size  # where `chunk` begins in the stream
        cdef uint64_t at = 0, total = 0
        cdef uint64_t keep = 0, end = 0  # where in `chunk` the last run of frames begins, and ends
        cdef Py_ssize_t count = 0
        cdef Sizes found
        cdef bytes frames = b""
        fault = None
        try:
            if self.left:
                at = self.throw_away(chunk, 0, size)
            elif self.buffer.size:
                count = self.resume(chunk, size, &at)
                if self.buffer.size and not count:
                    return frames
            keep = end = at
            while at < size:
                if self.loose and (chunk[at] == LF or chunk[at] == CR or chunk[at] == SPACE or chunk[at] == NUL):
                    at += 1
                    continue
                total = 0
                if not self.read(chunk + at, size - at, base + at, &found):
                    break
                total = found.head + found.payload + self.form.tail
                if found.payload > self.limit:
                    self.skip(&found, base + at)
                    at = self.throw_away(chunk, at, size)
                    continue
                if total > size - at:
                    break
                self.check_tail(chunk[at + total - 1], base + at + total - 1)
                if at != end:
                    buffer_append(&self.buffer, chunk + keep, end - keep, self.buffer.size + size - keep)
                    keep = at
                at += total
                end = at
                count += 1
        except FrameError as error:
            fault = error
        if count:
            if self.buffer.size or keep or end < size or not PyBytes_CheckExact(data):
                frames = joined(self.buffer.bytes, self.buffer.size, chunk + keep, end - keep)
            else:
                frames = <bytes>data
        buffer_clear(&self.buffer)
        self.whole = 0
        if fault is not None:
            self.die(fault.saw, fault.offset, fault.limit, fault.hint)
            raise FrameError(fault.saw, fault.offset, fault.limit, frames, count, fault.hint)
        if self.left == 0:
            self.offset = base + at
            self.passed = 0
            if at < size:
                self.whole = total
                buffer_append(&self.buffer, chunk + at, size - at, max(total, <uint64_t>LONGEST_HEAD))
        self.count = count
        return frames

    cdef int resume(self, const uint8_t* chunk, uint64_t size, uint64_t* at) except -1:
        """Goes on with the frame held: 1 if `chunk` completes it. `at` becomes where the next one begins."""
        cdef Sizes found
        cdef uint64_t take
        while self.whole == 0:
            if at[0] == size:
                return 0
            buffer_append(&self.buffer, chunk + at[0], 1, LONGEST_HEAD)
            at[0] += 1
            if self.read(self.buffer.bytes, self.buffer.size, self.offset, &found):
                if found.payload > self.limit:
                    self.skip(&found, self.offset)
                    self.passed = found.head
                    self.left -= found.head
                    buffer_clear(&self.buffer)
                    at[0] = self.throw_away(chunk, at[0], size)
                    return 0
                self.whole = found.head + found.payload + self.form.tail
        take = min(self.whole - self.buffer.size, size - at[0])
        buffer_append(&self.buffer, chunk + at[0], take, self.whole)
        at[0] += take
        if self.buffer.size < self.whole:
            return 0
        self.check_tail(self.buffer.bytes[self.whole - 1], self.offset + self.whole - 1)
        return 1

    cdef int skip(self, Sizes* found, uint64_t start) except -1:
        """Begins to leave out the message whose frame begins at `start` of the stream."""
        note_skipped(
            self, FrameError(refusals.size(refusals.MESSAGE, found.payload, found.payload), start, self.limit)
        )
        self.offset = start
        self.passed = 0
        self.left = found.head + found.payload + self.form.tail
        return 0

    cdef uint64_t throw_away(self, const uint8_t* chunk, uint64_t at, uint64_t size) except? 0:
        """Throws away what there is, from `at` on, of the frame that is left out: where that ends."""
        cdef uint64_t take = min(self.left, size - at)
        self.left -= take
        self.passed += take
        if take and self.left == 0:
            self.check_tail(chunk[at + take - 1], self.offset + self.passed - 1)
        return at + take

    cdef inline int check_tail(self, uint8_t byte, uint64_t at) except -1:
        if self.form.tail and byte != self.form.tail_byte:
            raise FrameError(refusals.NO_COMMA, at)
        return 0

    cdef int die(self, saw, offset, limit, hint) except -1:
        self.dead = (saw, offset, limit, b"", 0, hint)
        self.state = DEAD
        buffer_clear(&self.buffer)
        self.left = 0
        return 0

    def finish(self) -> bytes:
        """Tells the end of the stream: b"", or FrameError if that is inside a frame."""
        self.check_alive()
        if self.buffer.size or self.left:
            self.die(refusals.ENDED, self.offset, None, "")
            self.check_alive()
        return b""

    def messages(self, bytes frames not None, object peer, Py_ssize_t most=-1, Py_ssize_t start=0) -> Messages:
        """A message per frame of `frames[start:]`, from `peer`; the first `most` if that is not negative."""
        cdef const uint8_t* data = <const uint8_t*>PyBytes_AS_STRING(frames)
        cdef uint64_t size = PyBytes_GET_SIZE(frames), at = start, total
        cdef Sizes read
        cdef Messages found
        if start < 0:
            raise ValueError(f"frames cannot start at {start}")
        found = messages_of(peer, frames, start, self.form)
        while at < size and most != 0:
            if not self.read(data + at, size - at, at, &read):
                raise ValueError("frames do not end where a frame ends")
            total = read.head + read.payload + self.form.tail
            if total > size - at:
                raise ValueError("frames do not end where a frame ends")
            at += total
            self.check_tail(data[at - 1], at - 1)
            found.append(at)
            most -= 1
        return found

    def frame(self, payload, /) -> bytes:
        """`payload` between head and tail; ValueError if it is over the limit or of a size that no head can tell."""
        cdef bytes made, body = octets(payload)
        cdef uint64_t size = PyBytes_GET_SIZE(body), most = min(self.limit, self.form.most), before
        cdef uint8_t[LONGEST_HEAD] head
        if size > most:
            raise ValueError(f"payload of {size} bytes (limit {most})")
        if size < self.form.least:
            raise ValueError(f"payload of {size} bytes (at least {self.form.least})")
        before = self.form.head(size, head)
        made = PyBytes_FromStringAndSize(NULL, before + size + self.form.tail)
        self.form.write_frame(
            <uint8_t*>PyBytes_AS_STRING(made), <const uint8_t*>PyBytes_AS_STRING(body), size
        )
        return made
