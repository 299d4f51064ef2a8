# Numbers, text, bytes and times as JSON text. The twin is fastserver/framing/jsontext.py.


cdef extern from "Python.h":
    char* PyOS_double_to_string(double value, char format_code, int precision, int flags, int* kind) except NULL
    enum:
        Py_DTSF_ADD_DOT_0
    bint Py_UNICODE_ISPRINTABLE(uint32_t code)


cdef extern from *:
    """
    static const char HEX_DIGITS[] = "0123456789abcdef";
    static const char BASE64_DIGITS[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

    /* How many bytes of `data` at its beginning stand for themselves in a JSON string, ASCII alone. */
    static inline uint64_t plain_size(const uint8_t *data, uint64_t size) {
        const uint64_t ones = 0x0101010101010101u, tops = 0x8080808080808080u;
        uint64_t at = 0, word, quote, slash, rubout;
        for (; size - at >= 8; at += 8) {
            memcpy(&word, data + at, 8);
            quote = word ^ ones * '"';
            slash = word ^ ones * '\\\\';
            rubout = word ^ ones * 0x7f;
            if ((word | (word - ones * ' ') | (quote - ones) | (slash - ones) | (rubout - ones)) & tops)
                break;
        }
        while (at < size && data[at] >= ' ' && data[at] < 0x7f && data[at] != '"' && data[at] != '\\\\')
            at++;
        return at;
    }
    """
    const char* HEX_DIGITS
    const char* BASE64_DIGITS
    uint64_t plain_size(const uint8_t* data, uint64_t size) noexcept nogil


cdef extern from *:
    """
    #include <float.h>
    #define EXACT_DECIMALS (FLT_EVAL_METHOD == 0)  /* a division rounds once, as IEEE 754 has it */
    static const double POWERS_OF_TEN[] = {1e0, 1e1, 1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                           1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15};
    """
    bint exact_decimals "EXACT_DECIMALS"
    const double* POWERS_OF_TEN


cdef enum:
    TIMESTAMP = 0xFF  # ext type -1
    NOT_SHORT = 2
    MOST_AFTER = 6  # digits behind the point, to be tried


cdef inline uint64_t big_endian(const uint8_t* data, uint64_t size) noexcept:
    cdef uint64_t value = 0, index
    for index in range(size):
        value = value << 8 | data[index]
    return value


cdef int put_fixed(Output* out, Source* source) except -1:
    """Writes a number, boolean or nil."""
    cdef uint8_t byte = source.at[0]
    cdef uint64_t size = heads[byte].length
    cdef uint64_t field
    if <uint64_t>(source.end - source.at) <= size:
        return REFUSED
    field = big_endian(source.at + 1, size)
    source.at += 1 + size
    if byte < 0x80:
        return put_unsigned(out, byte)
    if byte >= 0xE0:
        return put_signed(out, <int8_t>byte)
    if byte == 0xC0:
        return put(out, b"null", 4)
    if byte == 0xC2:
        return put(out, b"false", 5)
    if byte == 0xC3:
        return put(out, b"true", 4)
    if byte == 0xCA:
        return put_float(out, single(<uint32_t>field))
    if byte == 0xCB:
        return put_float(out, double_of(field))
    if byte < 0xD0:
        return put_unsigned(out, field)
    return put_signed(out, <int64_t>(field << (64 - 8 * size)) >> (64 - 8 * size))


cdef inline double single(uint32_t bits) noexcept:
    cdef float value
    memcpy(&value, &bits, 4)
    return value


cdef inline double double_of(uint64_t bits) noexcept:
    cdef double value
    memcpy(&value, &bits, 8)
    return value


cdef int put_unsigned(Output* out, uint64_t value) except -1:
    cdef uint8_t[20] digits
    cdef uint32_t at = 20
    while True:
        at -= 1
        digits[at] = <uint8_t>(c"0" + value % 10)
        value //= 10
        if value == 0:
            return put(out, digits + at, 20 - at)


cdef int put_signed(Output* out, int64_t value) except -1:
    if value >= 0:
        return put_unsigned(out, value)
    return put_byte(out, c"-") or put_unsigned(out, 0 - <uint64_t>value)


cdef int put_float(Output* out, double value) except -1:
    cdef char* text
    cdef int status
    if not isfinite(value):
        return (
            put(out, b'{"$float":"', 11)
            or (put(out, b"nan", 3) if isnan(value) else put(out, b"inf", 3) if value > 0 else put(out, b"-inf", 4))
            or put(out, b'"}', 2)
        )
    status = put_decimal(out, value)
    if status != NOT_SHORT:
        return status
    text = PyOS_double_to_string(value, c"r", 0, Py_DTSF_ADD_DOT_0, NULL)
    try:
        return put(out, text, strlen(text))
    finally:
        PyMem_Free(text)


cdef int put_decimal(Output* out, double value) except -1:
    """Writes a float that is a decimal of few digits; NOT_SHORT if it is none.

    Floats tell all decimals of up to 15 digits from each other, so that one that is found is the shortest there is.
    """
    cdef double size = -value if value < 0 else value
    cdef double scaled
    cdef uint64_t digits, after = 0
    if not exact_decimals or not 1e-3 <= size < 1e15:
        return NOT_SHORT
    while True:
        scaled = size * POWERS_OF_TEN[after]
        digits = <uint64_t>(scaled + 0.5)
        if scaled >= 1e15:
            return NOT_SHORT
        if <double>digits / POWERS_OF_TEN[after] == size:
            break
        after += 1
        if after > MOST_AFTER:
            return NOT_SHORT
    return put_point(out, digits, after, value < 0)


cdef int put_point(Output* out, uint64_t digits, uint64_t after, bint negative) except -1:
    """Writes digits with a point before the last of them, so many, at least one."""
    cdef uint8_t[24] text
    cdef uint32_t at = 24, start
    if after == 0:
        at -= 1
        text[at] = c"0"
    start = at - after
    while at > start:
        at -= 1
        text[at] = <uint8_t>(c"0" + digits % 10)
        digits //= 10
    at -= 1
    text[at] = c"."
    while digits or text[at] == c".":
        at -= 1
        text[at] = <uint8_t>(c"0" + digits % 10)
        digits //= 10
    if negative:
        at -= 1
        text[at] = c"-"
    return put(out, text + at, 24 - at)


cdef int put_text(Output* out, const uint8_t* data, uint64_t size) except -1:
    """Writes a string; each byte that is not UTF-8 becomes a surrogate, as by `surrogateescape`."""
    cdef uint64_t at = plain_size(data, size), good
    cdef bint wrong
    cdef uint8_t* to
    if at == size:
        to = room(out, size + 2)
        if to == NULL:
            return REFUSED
        to[0] = to[size + 1] = c'"'
        memcpy(to + 1, data, size)
        out.size += size + 2
        return WRITTEN
    if put_byte(out, c'"'):
        return REFUSED
    at = 0
    while at < size:
        good = pass_text(data, at, size, size, &wrong)
        if put_characters(out, data + at, good - at):
            return REFUSED
        at = good
        if wrong:
            if put_code(out, 0xDC00 | data[at]):
                return REFUSED
            at += 1
    return put_byte(out, c'"')


cdef int put_characters(Output* out, const uint8_t* data, uint64_t size) except -1:
    """Writes UTF-8, with escapes for what does not stand for itself or could act on a terminal."""
    cdef uint64_t at = 0, written = 0, length
    cdef uint32_t code
    while True:
        at += plain_size(data + at, size - at)
        if at == size:
            return put(out, data + written, size - written)
        if data[at] < 0x80:
            code = data[at]
            length = 1
        elif data[at] < 0xE0:
            code = (data[at] & 0x1F) << 6 | (data[at + 1] & 0x3F)
            length = 2
        elif data[at] < 0xF0:
            code = (data[at] & 0x0F) << 12 | (data[at + 1] & 0x3F) << 6 | (data[at + 2] & 0x3F)
            length = 3
        else:
            code = (data[at] & 0x07) << 18 | (data[at + 1] & 0x3F) << 12
            code |= (data[at + 2] & 0x3F) << 6 | (data[at + 3] & 0x3F)
            length = 4
        if code < 0x80 or not is_shown(code):
            if put(out, data + written, at - written) or put_code(out, code):
                return REFUSED
            written = at + length
        at += length


cdef inline bint is_shown(uint32_t code) noexcept:
    """True for what is printable and for spaces of any width (Zs): `fastserver.log.escape.shown` beyond ASCII."""
    if Py_UNICODE_ISPRINTABLE(code):
        return True
    return code in (0xA0, 0x1680, 0x202F, 0x205F, 0x3000) or 0x2000 <= code <= 0x200A


cdef int put_code(Output* out, uint32_t code) except -1:
    """Writes the escape of a code point."""
    cdef uint8_t[2] short = [c"\\", 0]
    cdef uint8_t[6] long = [c"\\", c"u", 0, 0, 0, 0]
    cdef uint32_t index
    if code > 0xFFFF:
        code -= 0x10000
        return put_code(out, 0xD800 | code >> 10) or put_code(out, 0xDC00 | (code & 0x3FF))
    if code == c'"' or code == c"\\":
        short[1] = <uint8_t>code
    elif code == 0x08:
        short[1] = c"b"
    elif code == 0x09:
        short[1] = c"t"
    elif code == LF:
        short[1] = c"n"
    elif code == 0x0C:
        short[1] = c"f"
    elif code == CR:
        short[1] = c"r"
    else:
        for index in range(4):
            long[2 + index] = HEX_DIGITS[code >> (12 - 4 * index) & 15]
        return put(out, long, 6)
    return put(out, short, 2)


cdef int put_base64(Output* out, const uint8_t* data, uint64_t size) except -1:
    """Writes bytes as base64 (RFC 4648, section 4), in quotes."""
    cdef uint64_t length = (size + 2) // 3 * 4
    cdef uint8_t* to = room(out, length + 2)
    cdef uint32_t three, index
    if to == NULL:
        return REFUSED
    out.size += length + 2
    to[0] = to[length + 1] = c'"'
    to += 1
    while size:
        three = data[0] << 16 | (data[1] << 8 if size > 1 else 0) | (data[2] if size > 2 else 0)
        for index in range(4):
            to[index] = BASE64_DIGITS[three >> (18 - 6 * index) & 63] if index <= size else c"="
        to += 4
        data += min(size, <uint64_t>3)
        size -= min(size, <uint64_t>3)
    return WRITTEN
