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


@cython.no_gc
@cython.auto_pickle(False)
cdef class LinesForm(Form):
    """Lines: the payload, then LF or CR LF."""

    cdef void bounds(self, const char* frame, Py_ssize_t size, Py_ssize_t* head, Py_ssize_t* tail) noexcept:
        head[0] = 0
        tail[0] = 2 if size > 1 and frame[size - 2] == CR else 1

    def __cinit__(self):
        self.writes = True

    cdef int write(self, Output* out, const uint8_t* payload, uint64_t size, uint64_t limit) except -1:
        return put_line(out, payload, size, limit) or put_byte(out, LF)


@cython.final
@cython.no_gc
@cython.auto_pickle(False)
cdef class CrlfForm(LinesForm):
    """Lines that are written with CR LF."""

    cdef int write(self, Output* out, const uint8_t* payload, uint64_t size, uint64_t limit) except -1:
        return put_line(out, payload, size, limit) or put(out, b"\r\n", 2)


cdef Form lines_form = LinesForm()
cdef Form crlf_form = CrlfForm()


cdef bytes with_crlf(bytes lines):
    """`lines` with CR LF at their ends."""
    cdef const char* line = PyBytes_AS_STRING(lines)
    cdef Py_ssize_t size = PyBytes_GET_SIZE(lines)
    cdef const char* end = line + size
    cdef const char* lf
    cdef Py_ssize_t bare = 0
    cdef bytes made
    cdef char* out
    while line < end:
        lf = <const char*>memchr(line, LF, end - line)
        bare += lf == line or (lf - 1)[0] != CR
        line = lf + 1
    if bare == 0:
        return lines
    made = PyBytes_FromStringAndSize(NULL, size + bare)
    out = PyBytes_AS_STRING(made)
    line = PyBytes_AS_STRING(lines)
    while line < end:
        lf = <const char*>memchr(line, LF, end - line)
        memcpy(out, line, lf - line)
        out += lf - line
        if lf == line or (lf - 1)[0] != CR:
            out[0] = CR
            out += 1
        out[0] = LF
        out += 1
        line = lf + 1
    return made


cdef Messages messages_in(bytes frames, object peer, Py_ssize_t most, Py_ssize_t start, Form form):
    """A message per line of `frames[start:]`, of that form, from `peer`; the first `most` if that is not negative."""
    cdef const char* lines = PyBytes_AS_STRING(frames)
    cdef Py_ssize_t size = PyBytes_GET_SIZE(frames)
    cdef const char* lf
    cdef Messages found
    if start < 0:
        raise ValueError(f"frames cannot start at {start}")
    found = messages_of(peer, frames, start, form)
    while start < size and most != 0:
        lf = <const char*>memchr(lines + start, LF, size - start)
        if lf == NULL:
            raise ValueError("frames do not end where a frame ends")
        start = lf - lines + 1
        found.append(start)
        most -= 1
    return found


cdef int put_line(Output* out, const uint8_t* payload, uint64_t size, uint64_t limit) except -1:
    """Writes a payload with two characters each in the place of LF and CR, which a line cannot have."""
    cdef uint64_t ends = 0, at
    cdef uint8_t* to
    if memchr(payload, LF, size) != NULL or memchr(payload, CR, size) != NULL:
        ends = count_byte(payload, size, LF) + count_byte(payload, size, CR)
    if size + ends > limit:
        return REFUSED
    if not ends:
        return put(out, payload, size)
    to = room(out, size + ends)
    if to == NULL:
        return REFUSED
    for at in range(size):
        if payload[at] == LF or payload[at] == CR:
            to[0] = c"\\"
            to[1] = c"n" if payload[at] == LF else c"r"
            to += 2
        else:
            to[0] = payload[at]
            to += 1
    out.size += size + ends
    return WRITTEN


@cython.final
@cython.no_gc
@cython.auto_pickle(False)
cdef class LinesSplitter(Splitter):
    """Cuts a byte stream into lines of at most `max_message` bytes, line end not counted. With `eol="crlf"` all get
    CR LF at their ends.
    """

    def __cinit__(self, max_message, invalid_text="close", oversize="close", eol="lf"):
        self.limit = limit(max_message)
        invalid(invalid_text)  # checked alone: lines may hold any bytes
        self.skips = skips(oversize)
        self.variant = eol == "crlf"

    def feed(self, data, /) -> bytes:
        """Takes the next bytes of the stream, gives every line they end; FrameError at one too long."""
        cdef Input chunk
        begin_lines(self)
        open_input(data, &chunk)
        self.state = LOST
        try:
            frames = split_lines(self, data, chunk.bytes, chunk.size)
        finally:
            close_input(&chunk)
        self.state = ALIVE
        return frames

    def finish(self) -> bytes:
        """Tells the end of the stream: gives the line that had not ended, with an end, or b"" if there is none."""
        cdef uint8_t end = LF
        begin_lines(self)
        if not self.buffer.size:
            return b""
        line = joined(self.buffer.bytes, self.buffer.size, &end, 1)
        self.offset += self.buffer.size
        buffer_clear(&self.buffer)
        self.count = 1
        return with_crlf(line) if self.variant else line

    def messages(self, bytes frames not None, object peer, Py_ssize_t most=-1, Py_ssize_t start=0) -> Messages:
        """A message per line of `frames[start:]`, from `peer`; the first `most` if that is not negative."""
        return messages_in(frames, peer, most, start, crlf_form if self.variant else lines_form)

    def frame(self, payload, /) -> bytes:
        """`payload` as a line, its end added; ValueError if it holds an LF, is over the limit, or ends with CR where
        ends are LF.
        """
        cdef bytes line = octets(payload)
        if <uint64_t>len(line) > self.limit:
            raise ValueError(f"payload of {len(line)} bytes (limit {self.limit})")
        at = line.find(b"\n")
        if at >= 0:
            raise ValueError(f"payload with a line feed at offset {at}")
        if self.variant:
            return line + b"\r\n"
        if line.endswith(b"\r"):
            raise ValueError(f"payload that ends with a carriage return at offset {len(line) - 1}")
        return line + b"\n"


cdef inline int begin_lines(LinesSplitter self) except -1:
    forget_last(self)
    if self.state == DEAD:
        raise FrameError(refusals.LINE, self.offset, self.limit)
    if self.state == LOST:
        raise MemoryError
    return 0


cdef bytes split_lines(LinesSplitter self, object data, const uint8_t* chunk, uint64_t size):
    cdef uint64_t start = 0
    cdef uint64_t keep = 0  # where in `chunk` the lines begin that come behind what was skipped last
    cdef uint64_t before = self.buffer.size  # bytes of the line at `start` that came before `chunk`
    cdef uint64_t base = self.offset + before  # of `chunk` in the stream
    cdef uint64_t end
    cdef Py_ssize_t count = 0
    cdef const uint8_t* found
    cdef bint fits = True
    cdef bint harmless = before + size <= self.limit
    cdef list kept = None  # the lines before what was skipped last
    cdef bytes frames = b""
    if self.skipping:
        found = <const uint8_t*>memchr(chunk, LF, size)
        if found == NULL:
            self.offset += size
            return b""
        self.skipping = False
        start = keep = found - chunk + 1
    if harmless:
        # No line in `chunk` can be over the limit, so the end of the last one and their number are all we need.
        end = size
        while end > start and chunk[end - 1] != LF:
            end -= 1
        count = count_byte(chunk + start, end - start, LF)
        start = end
    while start < size and not harmless:
        found = <const uint8_t*>memchr(chunk + start, LF, size - start)
        end = size if found == NULL else found - chunk
        if before + end - start > self.limit and not line_fits(self, chunk, start, end, before):
            fits = self.skips
            if not fits:
                break
            kept = put_by(self, kept, chunk, keep, start)
            note_skipped(self, FrameError(refusals.LINE, base + start - before, self.limit))
            self.skipping = found == NULL
            start = keep = size if found == NULL else end + 1
            before = 0
            continue
        if found == NULL:
            break
        start = end + 1
        before = 0
        count += 1
    if start > keep:
        if self.buffer.size or keep or start < size or not PyBytes_CheckExact(data):
            frames = joined(self.buffer.bytes, self.buffer.size, chunk + keep, start - keep)
        else:
            frames = <bytes>data
    if kept is not None:
        kept.append(frames)
        frames = b"".join(kept)
    if start:
        self.offset = base + start
        buffer_clear(&self.buffer)
    if self.variant and count:
        frames = with_crlf(frames)
    if not fits:
        self.state = DEAD
        buffer_clear(&self.buffer)
        raise FrameError(refusals.LINE, self.offset, self.limit, frames, count)
    if start < size:
        buffer_append(&self.buffer, chunk + start, size - start, self.limit + 1)
    self.count = count
    return frames


cdef bint line_fits(
    LinesSplitter self, const uint8_t* chunk, uint64_t start, uint64_t end, uint64_t before
) noexcept:
    # A line may be one byte over the limit if that is a CR, which an LF follows or must still follow.
    if before + end - start != self.limit + 1:
        return False
    return (chunk[end - 1] if end > start else self.buffer.bytes[before - 1]) == CR
