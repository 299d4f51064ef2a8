# Lengths in decimal digits: octet counting (RFC 6587, section 3.4.1) and netstrings. The twins are
# fastserver/framing/counted.py, octet.py and netstring.py.

cdef enum:
    ZERO = 0x30
    COLON = 0x3A
    COMMA = 0x2C
    LESS = 0x3C


cdef uint64_t write_digits(uint64_t number, uint8_t* into) noexcept:
    """Writes `number` in digits: how many."""
    cdef uint64_t rest = number, digits = 1, at
    while rest >= 10:
        rest //= 10
        digits += 1
    at = digits
    while at:
        at -= 1
        into[at] = <uint8_t>(ZERO + number % 10)
        number //= 10
    return digits


@cython.final
@cython.no_gc
@cython.auto_pickle(False)
cdef class CountedForm(HeadedForm):
    """Digits, a byte that ends them, the payload, and perhaps a byte behind it."""

    cdef uint8_t digits  # how many there can be
    cdef uint8_t ender

    cdef void bounds(self, const char* frame, Py_ssize_t size, Py_ssize_t* head, Py_ssize_t* tail) noexcept:
        head[0] = <const char*>memchr(frame, self.ender, size) - frame + 1
        tail[0] = self.tail

    cdef uint64_t head(self, uint64_t length, uint8_t* into) noexcept:
        cdef uint64_t digits = write_digits(length, into)
        into[digits] = self.ender
        return digits + 1


cdef CountedForm counted_form(uint8_t ender, uint8_t digits, uint64_t least):
    cdef CountedForm form = CountedForm()
    form.ender = ender
    form.digits = digits
    form.least = least
    form.most = 10 ** <object>digits - 1
    return form


cdef CountedForm octet_form = counted_form(SPACE, 10, 1)
cdef CountedForm netstring_form = counted_form(COLON, 19, 0)  # digits as 64 bits can hold, and more than any limit has
netstring_form.tail = 1
netstring_form.tail_byte = COMMA


@cython.no_gc
@cython.auto_pickle(False)
cdef class CountedSplitter(HeadedSplitter):
    """Cuts a byte stream into frames that begin with digits without leading zeros, and a byte that ends them."""

    cdef uint8_t digits  # how many there can be
    cdef uint8_t ender

    cdef void speak(self, CountedForm form) noexcept:
        """Cuts frames of that form."""
        self.form = form
        self.digits = form.digits
        self.ender = form.ender

    cdef int read(self, const uint8_t* data, uint64_t size, uint64_t start, Sizes* found) except -1:
        cdef uint64_t length = 0, known
        cdef uint8_t digit
        for known in range(min(size, <uint64_t>self.digits + 1)):
            digit = data[known] - ZERO
            if digit > 9:
                if known and data[known] == self.ender:
                    found.head = known + 1
                    found.payload = length
                    return 1
                self.refuse_byte(data[known], start, known)
            if known == self.digits:
                raise FrameError(refusals.digits(self.digits), start + known)
            if length == 0 and (known or (digit == 0 and self.form.least)):
                raise FrameError(refusals.LEADING_ZERO, start)
            length = 10 * length + digit
            if length > self.limit and not self.skips:
                raise FrameError(refusals.size(refusals.MESSAGE, length, self.form.most + 1), start, self.limit)
        return 0

    cdef int refuse_byte(self, uint8_t byte, uint64_t start, uint64_t known) except -1:
        """Raises the FrameError for a byte that is no digit, behind so many that were."""
        if known:
            raise FrameError(refusals.NO_COLON if self.ender == COLON else refusals.NO_SPACE, start + known)
        raise FrameError(
            refusals.NO_LENGTH, start, hint=refusals.SYSLOG if start == 0 and byte == LESS and self.loose else ""
        )


@cython.final
@cython.no_gc
@cython.auto_pickle(False)
cdef class OctetSplitter(CountedSplitter):
    """Cuts a byte stream into octet-counted messages of 1 to `max_message` bytes.

    Between them LF, CR, space and NUL are passed over: Cisco IOS sends an LF behind each, ASA a space.
    """

    def __cinit__(self, max_message, invalid_text="close", oversize="close"):
        self.speak(octet_form)
        self.loose = True


@cython.final
@cython.no_gc
@cython.auto_pickle(False)
cdef class NetstringSplitter(CountedSplitter):
    """Cuts a byte stream into netstrings of at most `max_message` bytes."""

    def __cinit__(self, max_message, invalid_text="close", oversize="close"):
        self.speak(netstring_form)
