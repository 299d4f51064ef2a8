# Lengths in binary: of 1 to 4 bytes, and varints. The twins are fastserver/framing/length.py and varint.py.

cdef enum:
    WIDEST = 4  # bytes of a length
    MORE_BYTES = 0x80  # the bit of a varint's byte that says that another follows
    VARINT_BYTES = 5
    VARINT_LAST = 0x0F  # the largest fifth byte


@cython.final
@cython.no_gc
@cython.auto_pickle(False)
cdef class LengthForm(HeadedForm):
    """A length of so many bytes, then the payload."""

    cdef uint8_t width
    cdef uint8_t own  # bytes that a length counts besides the payload
    cdef bint little

    cdef void bounds(self, const char* frame, Py_ssize_t size, Py_ssize_t* head, Py_ssize_t* tail) noexcept:
        head[0] = self.width
        tail[0] = 0

    cdef uint64_t head(self, uint64_t length, uint8_t* into) noexcept:
        cdef uint64_t at
        length += self.own
        for at in range(self.width):
            into[at] = <uint8_t>(length >> 8 * (at if self.little else self.width - 1 - at))
        return self.width


cdef dict length_forms = {}


cdef LengthForm length_form(uint8_t width, bint little, bint includes):
    """The form of frames with such a length: all splitters of one grammar share it."""
    cdef LengthForm form = length_forms.get((width, little, includes))
    if form is None:
        form = length_forms[width, little, includes] = LengthForm()
        form.width = width
        form.little = little
        form.own = width if includes else 0
        form.most = (<uint64_t>1 << 8 * width) - 1 - form.own
    return form


@cython.final
@cython.no_gc
@cython.auto_pickle(False)
cdef class LengthSplitter(HeadedSplitter):
    """Cuts a byte stream into payloads of at most `max_message` bytes, each behind its length.

    `width` is the bytes of a length, `order` the end of it that comes first, `big` or `little`; with `includes` it
    counts itself too.
    """

    cdef uint8_t width
    cdef uint8_t own  # bytes that a length counts besides the payload
    cdef bint little

    def __cinit__(
        self, max_message, invalid_text="close", oversize="close", *, width=WIDEST, order="big", includes=False
    ):
        cdef LengthForm form = length_form(width, order == "little", includes)
        self.form = form
        self.width = form.width
        self.little = form.little
        self.own = form.own

    cdef int read(self, const uint8_t* data, uint64_t size, uint64_t start, Sizes* found) except -1:
        cdef uint64_t low = 0, known, missing, unknown
        for known in range(1, min(size, <uint64_t>self.width) + 1):
            missing = 8 * (self.width - known)
            unknown = (<uint64_t>1 << missing) - 1
            if self.little:
                low |= <uint64_t>data[known - 1] << 8 * (known - 1)
                unknown <<= 8 * known
            else:
                low |= <uint64_t>data[known - 1] << missing
            if low > self.limit + self.own and not self.skips:
                low -= self.own
                raise FrameError(refusals.size(refusals.MESSAGE, low, low + unknown), start, self.limit)
        if size < self.width:
            return 0
        if low < self.own:
            raise FrameError(refusals.own(low, self.own), start)
        found.head = self.width
        found.payload = low - self.own
        return 1


@cython.final
@cython.no_gc
@cython.auto_pickle(False)
cdef class VarintForm(HeadedForm):
    """A length as a varint, then the payload."""

    cdef void bounds(self, const char* frame, Py_ssize_t size, Py_ssize_t* head, Py_ssize_t* tail) noexcept:
        cdef Py_ssize_t at = 0
        while <uint8_t>frame[at] & MORE_BYTES:
            at += 1
        head[0] = at + 1
        tail[0] = 0

    cdef uint64_t head(self, uint64_t length, uint8_t* into) noexcept:
        cdef uint64_t at = 0
        while length >= MORE_BYTES:
            into[at] = <uint8_t>(length & 0x7F | MORE_BYTES)
            length >>= 7
            at += 1
        into[at] = <uint8_t>length
        return at + 1


cdef HeadedForm varint_form = VarintForm()
varint_form.most = 0xFFFFFFFF


@cython.final
@cython.no_gc
@cython.auto_pickle(False)
cdef class VarintSplitter(HeadedSplitter):
    """Cuts a byte stream into payloads of at most `max_message` bytes, each behind its length as a varint.

    A length may have more bytes than it needs, as protobuf takes it.
    """

    def __cinit__(self, max_message, invalid_text="close", oversize="close"):
        self.form = varint_form

    cdef int read(self, const uint8_t* data, uint64_t size, uint64_t start, Sizes* found) except -1:
        cdef uint64_t length = 0, known
        cdef bint more
        for known in range(min(size, <uint64_t>VARINT_BYTES)):
            if known == VARINT_BYTES - 1 and data[known] > VARINT_LAST:
                raise FrameError(refusals.WIDE, start + known)
            more = data[known] & MORE_BYTES != 0
            length |= <uint64_t>(data[known] & ~MORE_BYTES) << 7 * known
            if length > self.limit and not self.skips:
                raise FrameError(refusals.size(refusals.MESSAGE, length, length + more), start, self.limit)
            if not more:
                found.head = known + 1
                found.payload = length
                return 1
        return 0
