# Delimited: bytes up to a delimiter, or from a start byte up to it. The twin is fastserver/framing/delimited.py.

cdef enum:
    LONGEST = 16  # bytes of the longest delimiter


@cython.final
@cython.no_gc
@cython.auto_pickle(False)
cdef class DelimitedForm(Form):
    """The start byte, if there is one, the payload, the delimiter."""

    cdef Py_ssize_t head, tail
    cdef bytes start, delimiter
    cdef const uint8_t* mark  # the bytes of `delimiter`
    cdef uint8_t first  # the start byte

    def __cinit__(self, bytes start, bytes delimiter):
        self.start = start
        self.delimiter = delimiter
        self.head = len(start)
        self.tail = len(delimiter)
        self.mark = <const uint8_t*>PyBytes_AS_STRING(delimiter)
        self.first = start[0] if start else 0
        self.writes = True

    cdef void bounds(self, const char* frame, Py_ssize_t size, Py_ssize_t* head, Py_ssize_t* tail) noexcept:
        head[0] = self.head
        tail[0] = self.tail

    cdef int write(self, Output* out, const uint8_t* payload, uint64_t size, uint64_t limit) except -1:
        cdef uint8_t* to = NULL
        if size <= limit:
            to = room(out, self.head + size + self.tail)
        if to == NULL:
            return REFUSED
        to[0] = self.first
        to += self.head
        memcpy(to, payload, size)
        memcpy(to + size, self.mark, self.tail)
        if self.find(to, 0, size + self.tail) < size:  # also one that begins in the payload and ends behind it
            return REFUSED
        out.size += self.head + size + self.tail
        return WRITTEN

    cdef uint64_t find(self, const uint8_t* data, uint64_t at, uint64_t size) noexcept:
        """Where the delimiter begins in `data[at:size]`; `size` if it does not."""
        cdef uint64_t tail = self.tail
        cdef const uint8_t* found
        while size - at >= tail:
            found = <const uint8_t*>memchr(data + at, self.mark[0], size - at - tail + 1)
            if found == NULL:
                break
            at = found - data
            if tail == 1 or memcmp(found + 1, self.mark + 1, tail - 1) == 0:
                return at
            at += 1
        return size


cdef dict delimited_forms = {}  # by start and delimiter: a splitter has 8 bytes for them, not a copy


@cython.final
@cython.no_gc
@cython.auto_pickle(False)
cdef class DelimitedSplitter(RefusingSplitter):
    """Cuts a byte stream at a delimiter into messages of at most `max_message` bytes. With `start`, one byte, each
    begins with that, and what lies between two is left out.
    """

    cdef DelimitedForm form
    cdef uint8_t seeking  # what comes next is between two messages
    cdef uint8_t noisy  # and there was something

    def __cinit__(self, max_message, invalid_text="close", oversize="close", bytes delimiter=b"\0", bytes start=b""):
        self.limit = limit(max_message)
        invalid(invalid_text)  # checked alone: messages may hold any bytes
        self.skips = skips(oversize)
        self.form = delimited_forms.get((start, delimiter))
        if self.form is None:
            self.form = delimited_forms[start, delimiter] = DelimitedForm(start, delimiter)
        self.seeking = self.form.head > 0

    cdef bytes split(self, object data, const uint8_t* chunk, uint64_t size):
        cdef DelimitedForm form = self.form
        cdef uint64_t tail = form.tail
        cdef uint64_t start = 0
        cdef uint64_t keep = 0  # where in `chunk` the messages begin that come behind what was left out last
        cdef uint64_t before = self.buffer.size  # bytes of the message at `start` that came before `chunk`
        cdef uint64_t base = self.offset + before  # of `chunk` in the stream
        cdef uint64_t body, held, after, length
        cdef uint64_t overlap = 0
        cdef const uint8_t* found
        cdef Py_ssize_t count = 0
        cdef list kept = None
        cdef bytes frames = b""
        cdef bint harmless = tail == 1 and not form.head and not self.skipping and before + size <= self.limit
        if harmless:
            # No message in `chunk` can be over the limit: the end of the last one and their number are all we need.
            start = size
            while start and chunk[start - 1] != form.mark[0]:
                start -= 1
            count = count_byte(chunk, start, form.mark[0])
        while start < size and not harmless:
            if self.seeking:
                found = <const uint8_t*>memchr(chunk + start, form.first, size - start)
                after = size if found == NULL else found - chunk
                if after > start:
                    kept = put_by(self, kept, chunk, keep, start)
                    if not self.noisy:
                        note_skipped(self, FrameError(refusals.OUTSIDE, base + start))
                    self.noisy = True
                    start = keep = after
                if found == NULL:
                    break
                self.seeking = self.noisy = False
            held = before if self.skipping else before - min(before, <uint64_t>form.head)
            body = start + (0 if self.skipping or before else form.head)
            after = self.delimited(chunk, body, size, held)
            length = held + (size - body if after == 0 else after - tail - body)
            if after == 0 and (self.skipping or length > self.limit):
                overlap = self.overlap(chunk, body, size, held)
                length -= overlap
            if length > self.limit and not self.skipping:
                if not self.skips:
                    self.dead = refusals.OVERSIZE, base + start - before, self.limit
                    break
                kept = put_by(self, kept, chunk, keep, start)
                note_skipped(self, FrameError(refusals.OVERSIZE, base + start - before, self.limit))
                self.skipping = True
            if after == 0:
                if self.skipping:
                    start = keep = size
                break
            start = after
            before = 0
            if self.skipping:
                self.skipping = False
                buffer_clear(&self.buffer)
                keep = after
            else:
                count += 1
            self.seeking = form.head > 0
        if start > keep:
            if self.buffer.size or keep or start < size or not PyBytes_CheckExact(data):
                frames = joined(self.buffer.bytes, self.buffer.size, chunk + keep, start - keep)
            else:
                frames = <bytes>data
        if kept is not None:
            kept.append(frames)
            frames = b"".join(kept)
        if self.dead is not None:
            buffer_clear(&self.buffer)
            raise FrameError(*self.dead, frames, count)
        if start:
            self.offset = base + start
            buffer_clear(&self.buffer)
            if self.skipping:
                self.offset -= overlap
                buffer_append(&self.buffer, form.mark, overlap, LONGEST)
        if start < size:
            buffer_append(&self.buffer, chunk + start, size - start, self.limit + LONGEST + 1)
        self.count = count
        return frames

    cdef uint64_t delimited(self, const uint8_t* chunk, uint64_t at, uint64_t size, uint64_t held) noexcept:
        """Where in `chunk` the first delimiter ends that begins at `at`, or in the last `held` bytes of the buffer; 0 if
        there is none.
        """
        cdef uint8_t[2 * LONGEST] joint
        cdef uint64_t tail = self.form.tail
        cdef uint64_t early = min(held, tail - 1), late = min(size - at, tail - 1), found
        if early:
            memcpy(joint, self.buffer.bytes + self.buffer.size - early, early)
            memcpy(joint + early, chunk + at, late)
            found = self.form.find(joint, 0, early + late)
            if found < early + late:
                return at + found + tail - early
        found = self.form.find(chunk, at, size)
        return 0 if found == size else found + tail

    cdef uint64_t overlap(self, const uint8_t* chunk, uint64_t at, uint64_t size, uint64_t held) noexcept:
        """How many bytes at the end of the last `held` ones of the buffer and `chunk[at:size]` the delimiter may begin
        with.
        """
        cdef uint8_t[LONGEST] last
        cdef uint64_t most = self.form.tail - 1
        cdef uint64_t late = min(size - at, most)
        cdef uint64_t early = min(held, most - late)
        if early:
            memcpy(last, self.buffer.bytes + self.buffer.size - early, early)
        memcpy(last + early, chunk + size - late, late)
        most = early + late
        while most and memcmp(last + early + late - most, self.form.mark, most) != 0:
            most -= 1
        return most

    def finish(self) -> bytes:
        """Tells the end of the stream: gives the message that had not ended, delimiter added, or b"" if there is none.

        FrameError where messages have a start, so that one without its end is none; and where what is held, with the
        delimiter behind it, is not one message.
        """
        cdef DelimitedForm form = self.form
        cdef bytes frame
        cdef uint64_t size = self.buffer.size
        self.check_alive()
        if self.skipping or not size:
            buffer_clear(&self.buffer)
            return b""
        frame = joined(self.buffer.bytes, size, form.mark, form.tail)
        buffer_clear(&self.buffer)
        if form.head or form.find(<const uint8_t*>PyBytes_AS_STRING(frame), 0, size + form.tail) < size:
            self.dead = refusals.ENDED, self.offset, None
        elif size > self.limit:
            if self.skips:
                note_skipped(self, FrameError(refusals.OVERSIZE, self.offset, self.limit))
                return b""
            self.dead = refusals.OVERSIZE, self.offset, self.limit
        if self.dead is not None:
            raise FrameError(*self.dead)
        self.offset += size
        self.count = 1
        return frame

    def messages(self, bytes frames not None, object peer, Py_ssize_t most=-1, Py_ssize_t start=0) -> Messages:
        """A message per frame of `frames[start:]`, from `peer`; the first `most` if that is not negative."""
        cdef const uint8_t* data = <const uint8_t*>PyBytes_AS_STRING(frames)
        cdef uint64_t size = PyBytes_GET_SIZE(frames), at = start, found
        cdef Messages made
        if start < 0:
            raise ValueError(f"frames cannot start at {start}")
        made = messages_of(peer, frames, start, self.form)
        while at < size and most != 0:
            found = self.form.find(data, min(at + self.form.head, size), size)
            if found == size:
                raise ValueError("frames do not end where a frame ends")
            at = found + self.form.tail
            made.append(at)
            most -= 1
        return made

    def frame(self, payload, /) -> bytes:
        """`payload`, delimiter added; ValueError if a delimiter begins in it, or it is over the limit."""
        cdef bytes body = octets(payload)
        if <uint64_t>len(body) > self.limit:
            raise ValueError(f"payload of {len(body)} bytes (limit {self.limit})")
        at = (body + self.form.delimiter).find(self.form.delimiter)
        if at < len(body):
            raise ValueError(f"payload with the delimiter at offset {at}")
        return self.form.start + body + self.form.delimiter
