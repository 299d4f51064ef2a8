# Telnet: lines with commands among them, which are taken out. The twin is fastserver/framing/telnet.py.

cdef enum Step:  # what the next byte is
    IN_TEXT
    BEHIND_IAC
    AN_OPTION
    INSIDE  # a subnegotiation
    INSIDE_BEHIND_IAC

cdef enum LineState:
    GOES_ON
    HAS_ENDED
    TOO_LONG
    SUBNEGOTIATION_TOO_LONG

cdef struct Options:  # a bit for each option: first those refused by WONT, then those by DONT
    uint8_t[64] refused
    uint8_t[64] due
    bint waits  # some are due


@cython.final
@cython.no_gc
@cython.auto_pickle(False)
cdef class TelnetSplitter(Splitter):
    """Cuts a byte stream into lines of at most `max_message` bytes, as they are without commands and line ends.

    All come out in one form: IAC doubled, NUL behind each CR, and CR LF at the end. A subnegotiation is thrown away as
    it comes, and refused if it is longer than a line may be.
    """

    # The line in progress begins at `offset` of the stream; the buffer has it as it comes out, as far as is decided.
    cdef uint64_t size  # bytes of its payload
    cdef uint64_t fed  # bytes of the stream before those that are fed
    cdef uint64_t began  # where the subnegotiation begins in the stream
    cdef uint64_t inside  # bytes of it
    cdef Options* options  # NULL as long as nothing was asked for
    cdef uint8_t step, verb
    cdef uint8_t cr  # a CR came last, which is the line's or its end's
    cdef uint8_t fault_inside  # it was a subnegotiation that was refused

    def __cinit__(self, max_message, invalid_text="close", oversize="close"):
        self.limit = limit(max_message)
        invalid(invalid_text)  # checked alone: lines may hold any bytes
        self.skips = skips(oversize)

    def __dealloc__(self):
        PyMem_Free(self.options)

    @property
    def held(self) -> int:
        """Bytes kept of the line that has not ended, as it comes out."""
        return 0 if self.skipping else self.buffer.size + self.cr + (self.step == BEHIND_IAC)

    def feed(self, data, /) -> bytes:
        """Takes the next bytes of the stream, gives every line they end; FrameError at one too long."""
        cdef Input chunk
        begin_telnet(self)
        open_input(data, &chunk)
        self.state = LOST
        try:
            frames = split_telnet(self, data, chunk.bytes, chunk.size)
        finally:
            close_input(&chunk)
        self.state = ALIVE
        return frames

    def finish(self) -> bytes:
        """Tells the end of the stream: gives the line that had not ended, with an end, or b"" if there is none."""
        cdef bytes line = b""
        begin_telnet(self)
        if not self.skipping and (self.buffer.size or self.cr):
            line = joined(self.buffer.bytes, self.buffer.size, b"\r\n", 2)
            self.count = 1
        restart_telnet(self)
        self.offset = self.fed
        return line

    def answer(self) -> bytes:
        """Takes what is to be sent back: that each option which was asked for is refused, once while the offer stands.

        What is not taken waits; it is 3 bytes for each option and direction at most.
        """
        cdef uint8_t[1536] made
        cdef uint64_t size = 0
        cdef int place
        if self.options == NULL or not self.options.waits:
            return b""
        for place in range(512):
            if self.options.due[place >> 3] & (1 << (place & 7)):
                made[size] = IAC
                made[size + 1] = DONT if place >> 8 else WONT
                made[size + 2] = place & 0xFF
                size += 3
        answer = joined(made, size, NULL, 0)
        memset(self.options.due, 0, 64)
        self.options.waits = False
        return answer

    def messages(self, bytes frames not None, object peer, Py_ssize_t most=-1, Py_ssize_t start=0) -> Messages:
        """A message per line of `frames[start:]`, from `peer`; the first `most` if that is not negative."""
        return messages_in(frames, peer, most, start, telnet_form)

    def frame(self, payload, /) -> bytes:
        """`payload` as a line; ValueError if it holds an LF or is over the limit."""
        cdef bytes line = octets(payload)
        if <uint64_t>len(line) > self.limit:
            raise ValueError(f"payload of {len(line)} bytes (limit {self.limit})")
        at = line.find(b"\n")
        if at >= 0:
            raise ValueError(f"payload with a line feed at offset {at}")
        return line.replace(b"\xff", b"\xff\xff").replace(b"\r", b"\r\0") + b"\r\n"


cdef inline int begin_telnet(TelnetSplitter self) except -1:
    forget_last(self)
    if self.state == DEAD:
        raise FrameError(refusals.SUBNEGOTIATION if self.fault_inside else refusals.LINE, self.offset, self.limit)
    if self.state == LOST:
        raise MemoryError
    return 0


cdef void restart_telnet(TelnetSplitter self) noexcept:
    """Holds nothing."""
    buffer_clear(&self.buffer)
    self.size = 0
    self.cr = self.skipping = False
    self.step = IN_TEXT


cdef bytes split_telnet(TelnetSplitter self, object data, const uint8_t* chunk, uint64_t size):
    cdef uint64_t done = 0  # bytes of complete lines at the beginning of the buffer
    cdef uint64_t at = 0, end
    cdef const uint8_t* iac = NULL  # the first one at `at` or later, once it was looked for
    cdef Py_ssize_t count = 0
    cdef Buffer rest
    cdef bytes frames = b""
    cdef LineState state = GOES_ON
    while at < size and state < TOO_LONG:
        if self.step == IN_TEXT and not self.cr and not self.skipping and self.buffer.size == done:
            end = pass_plain(self, chunk, at, size, &iac, &count)
            if end == size and not at and PyBytes_CheckExact(data):
                self.fed += size
                self.offset = self.fed
                self.count = count
                return <bytes>data
            if end > at:
                buffer_append(&self.buffer, chunk + at, end - at, self.buffer.size + size - at)
                done = self.buffer.size
                at = end
                self.offset = self.fed + at
        state = pass_line(self, chunk, &at, size, done)
        if state == HAS_ENDED:
            if not self.skipping:
                append_telnet(self, b"\r\n", 2, done)
                done = self.buffer.size
                count += 1
            self.size = 0
            self.cr = self.skipping = False
            self.offset = self.fed + at
    if done:
        frames = joined(self.buffer.bytes, done, NULL, 0)
        if done == size and PyBytes_CheckExact(data) and memcmp(self.buffer.bytes, chunk, size) == 0:
            frames = <bytes>data
    if state >= TOO_LONG:
        self.fault_inside = state == SUBNEGOTIATION_TOO_LONG
        if self.fault_inside:
            self.offset = self.began
        restart_telnet(self)
        self.state = DEAD
        saw = refusals.SUBNEGOTIATION if self.fault_inside else refusals.LINE
        raise FrameError(saw, self.offset, self.limit, frames, count)
    self.fed += size
    if done or not self.buffer.size:
        rest.bytes = NULL
        rest.size = rest.capacity = 0
        if self.buffer.size > done:
            buffer_append(&rest, self.buffer.bytes + done, self.buffer.size - done, self.buffer.size)
        buffer_clear(&self.buffer)
        self.buffer = rest
    self.count = count
    return frames


cdef uint64_t pass_plain(
    TelnetSplitter self, const uint8_t* chunk, uint64_t at, uint64_t size, const uint8_t** iac, Py_ssize_t* count
) noexcept:
    """Passes over lines that came as they come out, without IACs: where they end."""
    cdef const uint8_t* end = chunk + size
    cdef const uint8_t* line
    cdef const uint8_t* lf
    while at < size:
        line = chunk + at
        lf = <const uint8_t*>memchr(line, LF, end - line)
        if lf == NULL or lf == line or (lf - 1)[0] != CR or <uint64_t>(lf - 1 - line) > self.limit:
            break
        if iac[0] < line:
            iac[0] = <const uint8_t*>memchr(line, IAC, end - line)
            if iac[0] == NULL:
                iac[0] = end
        if iac[0] < lf or memchr(line, CR, lf - 1 - line) != NULL:
            break
        at = lf + 1 - chunk
        count[0] += 1
    return at


cdef LineState pass_line(
    TelnetSplitter self, const uint8_t* chunk, uint64_t* position, uint64_t size, uint64_t done
) except *:
    """Goes on with the line in progress, which begins behind `done` in the buffer, from `position` on, and moves that."""
    cdef uint64_t at = position[0], end
    cdef uint8_t byte
    cdef bint fits = True
    while at < size and fits:
        byte = chunk[at]
        end = at + 1
        if self.step == INSIDE_BEHIND_IAC and byte != IAC and byte != SE:
            self.step = BEHIND_IAC  # another command: the end was forgotten
        if self.step == IN_TEXT:
            if byte == LF:
                position[0] = end
                return HAS_ENDED
            if byte == IAC:
                self.step = BEHIND_IAC
            elif byte == CR:
                fits = settle_cr(self, done)
                self.cr = True
            else:
                while end < size and chunk[end] != IAC and chunk[end] != CR and chunk[end] != LF:
                    end += 1
                if self.cr:
                    fits = settle_cr(self, done)
                    at += byte == NUL
                fits = fits and add_telnet(self, chunk + at, end - at, end - at, done)
        elif self.step == BEHIND_IAC:
            self.step = IN_TEXT
            if byte == IAC:
                fits = settle_cr(self, done) and add_telnet(self, b"\xff\xff", 2, 1, done)
            elif WILL <= byte <= DONT:
                self.verb = byte
                self.step = AN_OPTION
            elif byte == SB:
                self.began = self.fed + at - 1
                self.inside = 0
                self.step = INSIDE
        elif self.step == AN_OPTION:
            self.step = IN_TEXT
            negotiate(self, byte)
        elif self.step == INSIDE:
            if byte == IAC:
                self.step = INSIDE_BEHIND_IAC
            else:
                while end < size and chunk[end] != IAC:
                    end += 1
                self.inside += end - at
        elif byte == SE:
            self.step = IN_TEXT
        else:
            self.step = INSIDE
            self.inside += 2
        if self.step == INSIDE and self.inside > self.limit:
            return SUBNEGOTIATION_TOO_LONG
        at = end
    position[0] = at
    return GOES_ON if fits else TOO_LONG


cdef bint settle_cr(TelnetSplitter self, uint64_t done) except -1:
    """Takes a CR that came last for part of the line; whether that still fits."""
    if not self.cr:
        return True
    self.cr = False
    return add_telnet(self, b"\r\0", 2, 1, done)


cdef bint add_telnet(TelnetSplitter self, const uint8_t* form, uint64_t length, uint64_t size, uint64_t done) except -1:
    """Adds to the line in progress what stands for `size` bytes of its payload; whether that still fits."""
    if self.skipping:
        return True
    if size <= self.limit - self.size:
        self.size += size
        append_telnet(self, form, length, done)
        return True
    if self.skips:
        note_skipped(self, FrameError(refusals.LINE, self.offset, self.limit))
        self.skipping = True
        self.buffer.size = done
    return self.skipping


cdef inline int append_telnet(TelnetSplitter self, const uint8_t* form, uint64_t length, uint64_t done) except -1:
    # Each byte of the payload may be two.
    buffer_append(&self.buffer, form, length, done + 2 * min(self.limit, <uint64_t>1 << 61) + 2)
    return 0


cdef int negotiate(TelnetSplitter self, uint8_t option) except -1:
    """Refuses `option`, which the command before it asked for, unless that is done already."""
    cdef bint offered = self.verb == WILL or self.verb == WONT
    cdef uint8_t bit = 1 << (option & 7)
    cdef int at = (option >> 3) + 32 * offered
    if self.options == NULL:
        self.options = <Options*>PyMem_Malloc(sizeof(Options))
        if self.options == NULL:
            raise MemoryError
        memset(self.options, 0, sizeof(Options))
    if self.verb == WONT or self.verb == DONT:
        self.options.refused[at] &= ~bit
    elif not self.options.refused[at] & bit:
        self.options.refused[at] |= bit
        self.options.due[at] |= bit
        self.options.waits = True
    return 0
