# Lines: bytes up to LF; a CR before the LF belongs to the line end. The twin is fastserver/framing/lines.py.

cdef enum:
    LF = 0x0A
    CR = 0x0D


cdef extern from *:
    """
    /* How many bytes of `data` are `byte`. Counted in lanes that a compiler turns into vectors. */
    static uint64_t count_byte(const uint8_t *data, uint64_t size, uint8_t byte) {
        uint64_t count = 0;
        while (size >= 64) {
            uint64_t rounds = size / 64 < 255 ? size / 64 : 255;  /* as many as a lane of 8 bits can count */
            uint8_t lanes[64] = {0};
            for (uint64_t i = 0; i < rounds; i++, data += 64)
                for (int lane = 0; lane < 64; lane++)
                    lanes[lane] += data[lane] == byte;
            for (int lane = 0; lane < 64; lane++)
                count += lanes[lane];
            size -= rounds * 64;
        }
        for (; size; size--, data++)
            count += *data == byte;
        return count;
    }
    """
    uint64_t count_byte(const uint8_t* data, uint64_t size, uint8_t byte) noexcept nogil


@cython.final
@cython.no_gc
@cython.auto_pickle(False)
cdef class LinesForm(Form):
    """Lines: the payload, then LF or CR LF."""

    cdef void bounds(self, const char* frame, Py_ssize_t size, Py_ssize_t* head, Py_ssize_t* tail) noexcept:
        head[0] = 0
        tail[0] = 2 if size > 1 and frame[size - 2] == CR else 1


cdef Form lines_form = LinesForm()


@cython.final
@cython.auto_pickle(False)
cdef class LinesSplitter:
    """Cuts a byte stream into lines of at most `max_message` bytes, line end not counted."""

    cdef readonly Py_ssize_t count
    cdef uint64_t limit
    cdef uint64_t offset  # of the first byte held, in the stream
    cdef Buffer buffer
    cdef bint dead
    cdef bint lost  # the bytes fed last were, for want of memory: nothing can follow them

    def __cinit__(self, max_message, invalid_text="close"):
        self.limit = limit(max_message)
        invalid(invalid_text)  # checked alone: lines may hold any bytes

    def __dealloc__(self):
        buffer_clear(&self.buffer)

    @property
    def skipped(self) -> int:
        """Number of messages left out: no line ever is."""
        return 0

    @property
    def fault(self) -> None:
        """The reason why the first of those was left out."""
        return None

    @property
    def held(self) -> int:
        """Bytes kept of the line that has not ended."""
        return self.buffer.size

    def feed(self, data, /) -> bytes:
        """Takes the next bytes of the stream, gives every line they end; FrameError at one too long."""
        cdef Input chunk
        self.count = 0
        if self.dead:
            raise self.refusal(b"", 0)
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
        cdef uint64_t start = 0
        cdef uint64_t before = self.buffer.size  # bytes of the line at `start` that came before `chunk`
        cdef uint64_t end
        cdef Py_ssize_t count = 0
        cdef const uint8_t* found
        cdef bint fits = True
        cdef bytes frames = b""
        cdef bint harmless = before + size <= self.limit
        if harmless:
            # No line in `chunk` can be over the limit, so the end of the last one and their number are all we need.
            start = size
            while start and chunk[start - 1] != LF:
                start -= 1
            count = count_byte(chunk, start, LF)
        while start < size and not harmless:
            found = <const uint8_t*>memchr(chunk + start, LF, size - start)
            end = size if found == NULL else found - chunk
            if before + end - start > self.limit and not self.fits(chunk, start, end, before):
                fits = False
                break
            if found == NULL:
                break
            start = end + 1
            before = 0
            count += 1
        if count:
            if self.buffer.size or start < size or not PyBytes_CheckExact(data):
                frames = joined(self.buffer.bytes, self.buffer.size, chunk, start)
            else:
                frames = <bytes>data
            self.offset += self.buffer.size + start
            buffer_clear(&self.buffer)
        if not fits:
            self.dead = True
            buffer_clear(&self.buffer)
            raise self.refusal(frames, count)
        if start < size:
            buffer_append(&self.buffer, chunk + start, size - start, self.limit + 1)
        self.count = count
        return frames

    cdef bint fits(self, const uint8_t* chunk, uint64_t start, uint64_t end, uint64_t before) noexcept:
        # One byte over the limit is a CR that an LF follows, or must still follow.
        if before + end - start != self.limit + 1:
            return False
        return (chunk[end - 1] if end > start else self.buffer.bytes[before - 1]) == CR

    cdef refusal(self, bytes frames, Py_ssize_t count):
        return FrameError(refusals.LINE, self.offset, self.limit, frames, count)

    def finish(self) -> bytes:
        """Tells the end of the stream: gives the line that had not ended, LF added, or b"" if there is none."""
        cdef uint8_t end = LF
        self.count = 0
        if self.dead:
            raise self.refusal(b"", 0)
        if self.lost:
            raise MemoryError
        if not self.buffer.size:
            return b""
        line = joined(self.buffer.bytes, self.buffer.size, &end, 1)
        self.offset += self.buffer.size
        buffer_clear(&self.buffer)
        self.count = 1
        return line

    def messages(self, bytes frames not None, object peer, Py_ssize_t most=-1, Py_ssize_t start=0) -> Messages:
        """A message per line of `frames[start:]`, from `peer`; the first `most` if that is not negative."""
        cdef const char* lines = PyBytes_AS_STRING(frames)
        cdef Py_ssize_t size = PyBytes_GET_SIZE(frames)
        cdef const char* lf
        cdef Messages found
        if start < 0:
            raise ValueError(f"frames cannot start at {start}")
        found = messages_of(peer, frames, start, lines_form)
        while start < size and most != 0:
            lf = <const char*>memchr(lines + start, LF, size - start)
            if lf == NULL:
                raise ValueError("frames do not end where a frame ends")
            start = lf - lines + 1
            found.append(start)
            most -= 1
        return found

    def frame(self, payload, /) -> bytes:
        """`payload` as a line, LF added; ValueError if it holds an LF, ends with CR or is over the limit."""
        cdef bytes line = octets(payload)
        if <uint64_t>len(line) > self.limit:
            raise ValueError(f"payload of {len(line)} bytes (limit {self.limit})")
        at = line.find(b"\n")
        if at >= 0:
            raise ValueError(f"payload with a line feed at offset {at}")
        if line.endswith(b"\r"):
            raise ValueError(f"payload that ends with a carriage return at offset {len(line) - 1}")
        return line + b"\n"
