# Syslog over TCP, octet-counted or in lines, which each stream decides once. The twin is fastserver/framing/syslog.py.

cdef enum:
    COUNT_DIGITS = 10
    PRIORITY_DIGITS = 3
    GREATER = 0x3E

cdef enum Way:
    UNDECIDED
    COUNTED
    IN_LINES


cdef inline bint is_decimal(uint8_t byte) noexcept:
    return ZERO <= byte <= ZERO + 9


cdef Way way_of(const uint8_t* data, uint64_t size) noexcept:
    """Tells which way a stream that begins with `data` goes: COUNTED if that is a count, a space and a priority."""
    cdef uint64_t at = 0, priority
    if size and data[0] == ZERO:
        return IN_LINES
    while at < size and at < COUNT_DIGITS and is_decimal(data[at]):
        at += 1
    if at == size:
        return UNDECIDED
    if at == 0 or data[at] != SPACE:
        return IN_LINES
    at += 1
    if at == size:
        return UNDECIDED
    if data[at] != LESS:
        return IN_LINES
    at += 1
    priority = at
    while at < size and at < priority + PRIORITY_DIGITS and is_decimal(data[at]):
        at += 1
    if at == size:
        return UNDECIDED
    return COUNTED if at > priority and data[at] == GREATER else IN_LINES


cdef uint64_t count_lines(const char* lines, uint64_t size, uint8_t* into, Py_ssize_t* count) noexcept:
    """Writes `lines`, complete, as octet-counted messages, empty ones left out: how many bytes. Without `into` it only
    counts them.
    """
    cdef uint64_t written = 0, start = 0, end, length
    cdef uint8_t[LONGEST_HEAD] head
    count[0] = 0
    while start < size:
        end = <const char*>memchr(lines + start, LF, size - start) - lines
        length = end - start
        if length and lines[end - 1] == CR:
            length -= 1
        if length:
            if into == NULL:
                written += write_digits(length, head)
            else:
                written += write_digits(length, into + written)
                into[written] = SPACE
                memcpy(into + written + 1, lines + start, length)
            written += 1 + length
            count[0] += 1
        start = end + 1
    return written


@cython.final
@cython.no_gc
@cython.auto_pickle(False)
cdef class SyslogSplitter:
    """Takes octet-counted messages or lines of at most `max_message` bytes, gives octet-counted ones.

    The first bytes of a stream decide for all of it; lines it is where as many as the limit do not tell. An empty line
    is no message: no octet count can tell it.
    """

    cdef readonly Py_ssize_t count
    cdef OctetSplitter octet
    cdef LinesSplitter lines
    cdef object splitter  # one of these, once that is decided
    cdef bytes beginning  # of the stream, until then
    cdef bint lost  # the bytes fed last were, for want of memory: nothing can follow them

    def __cinit__(self, max_message, invalid_text="close", oversize="close"):
        self.octet = OctetSplitter(max_message, invalid_text, oversize)
        self.lines = LinesSplitter(max_message, invalid_text, oversize)
        self.beginning = b""

    @property
    def held(self) -> int:
        """Bytes kept of the message that is not complete, or of the beginning that has not decided."""
        return len(self.beginning) if self.splitter is None else self.splitter.held

    @property
    def skipped(self) -> int:
        """Number of messages that the last `feed` left out."""
        return 0 if self.splitter is None else self.splitter.skipped

    @property
    def fault(self):
        """The reason why the first of those was left out."""
        return None if self.splitter is None else self.splitter.fault

    def feed(self, data, /) -> bytes:
        """Takes the next bytes of the stream, gives every message they complete; FrameError at a wrong one."""
        self.count = 0
        if self.lost:
            raise MemoryError
        self.lost = True
        try:
            frames = self.split(data)
        except (FrameError, TypeError, BufferError):
            self.lost = False
            raise
        self.lost = False
        return frames

    cdef bytes split(self, object data):
        cdef bytes beginning
        cdef uint64_t known
        cdef Way way
        if self.splitter is None:
            data = beginning = self.beginning + stretch(data)
            known = min(<uint64_t>PyBytes_GET_SIZE(beginning), self.lines.limit + 1)
            way = way_of(<const uint8_t*>PyBytes_AS_STRING(beginning), known)
            if way == UNDECIDED and known <= self.lines.limit:
                self.beginning = beginning
                return b""
            self.splitter = self.octet if way == COUNTED else self.lines
            self.beginning = b""
        if self.splitter is self.octet:
            frames = self.octet.feed(data)
            self.count = self.octet.count
            return frames
        try:
            frames = self.lines.feed(data)
        except FrameError as error:
            raise self.refusal(error) from None
        return self.counted(frames)

    def finish(self) -> bytes:
        """Tells the end of the stream: gives the line that had not ended, b"" if there is none; FrameError inside a
        counted message.
        """
        self.count = 0
        if self.lost:
            raise MemoryError
        if self.splitter is None:
            self.splitter = self.lines
            self.lines.feed(self.beginning)
            self.beginning = b""
        if self.splitter is self.octet:
            return self.octet.finish()
        try:
            frames = self.lines.finish()
        except FrameError as error:
            raise self.refusal(error) from None
        return self.counted(frames)

    cdef bytes counted(self, bytes lines):
        """`lines` as octet-counted messages."""
        cdef const char* data = PyBytes_AS_STRING(lines)
        cdef uint64_t size = PyBytes_GET_SIZE(lines), written
        cdef bytes made
        if size == 0:
            return lines
        written = count_lines(data, size, NULL, &self.count)
        made = PyBytes_FromStringAndSize(NULL, written)
        count_lines(data, size, <uint8_t*>PyBytes_AS_STRING(made), &self.count)
        return made

    cdef refusal(self, error):
        frames = self.counted(error.frames)
        count = self.count
        self.count = 0
        return FrameError(error.saw, error.offset, error.limit, frames, count)

    def messages(self, bytes frames not None, object peer, Py_ssize_t most=-1, Py_ssize_t start=0) -> Messages:
        """A message per frame of `frames[start:]`, from `peer`; the first `most` if that is not negative."""
        return self.octet.messages(frames, peer, most, start)

    def frame(self, payload, /) -> bytes:
        """`payload` behind its length; ValueError if it is empty or over the limit."""
        return self.octet.frame(payload)
