# Strings and numbers of JSON text as MessagePack objects. The twin is fastserver/framing/jsonvalue.py.


cdef extern from "Python.h":
    double PyOS_string_to_double(const char* text, char** end, void* overflow) except? -1.0


cdef extern from *:
    """
    /* How many bytes of `data` come before the first that a JSON string cannot have, or that ends it or escapes. */
    static inline uint64_t run_size(const uint8_t *data, uint64_t size) {
        const uint64_t ones = 0x0101010101010101u, tops = 0x8080808080808080u;
        uint64_t at = 0, word, quote, slash;
        for (; size - at >= 8; at += 8) {
            memcpy(&word, data + at, 8);
            quote = word ^ ones * '"';
            slash = word ^ ones * '\\\\';
            if ((((word - ones * ' ') & ~word) | ((quote - ones) & ~quote) | ((slash - ones) & ~slash)) & tops)
                break;
        }
        while (at < size && data[at] >= ' ' && data[at] != '"' && data[at] != '\\\\')
            at++;
        return at;
    }
    """
    uint64_t run_size(const uint8_t* data, uint64_t size) noexcept nogil


cdef int read_string(Output* out, Source* text) except -1:
    """Writes the string whose quote is next."""
    cdef const uint8_t* data = text.at + 1
    cdef uint64_t size = run_size(data, text.end - data)
    cdef uint8_t* to
    cdef uint8_t* body
    if data + size == text.end or size > 0xFFFFFFFF:
        return REFUSED
    if data[size] == c"\\":
        return read_escaped(out, text)
    if data[size] != c'"':
        return REFUSED
    to = room(out, 5 + size)
    if to == NULL:
        return REFUSED
    body = write_str_head(to, size)
    memcpy(body, data, size)
    out.size += body - to + size
    text.at = data + size + 1
    return WRITTEN


cdef int read_escaped(Output* out, Source* text) except -1:
    """Writes the string whose quote is next, with escapes."""
    cdef const uint8_t* data = text.at + 1
    cdef const uint8_t* at = data + run_size(data, text.end - data)
    cdef uint64_t run, size
    cdef uint8_t* head
    cdef uint8_t* body
    cdef uint8_t* to
    while at < text.end and at[0] == c"\\":
        at += 2
        if at < text.end:
            at += run_size(at, text.end - at)
    if at >= text.end or at[0] != c'"' or at - data > 0xFFFFFFFF:
        return REFUSED
    head = room(out, 5 + (at - data))  # no escape is shorter than what it stands for
    if head == NULL:
        return REFUSED
    body = to = head + 5
    text.at = data
    while True:
        run = run_size(text.at, text.end - text.at)
        memcpy(to, text.at, run)
        to += run
        text.at += run
        if text.at[0] == c'"':
            break
        to = read_escape(to, text)
        if to == NULL:
            return REFUSED
    text.at += 1
    size = to - body
    to = write_str_head(head, size)
    memmove(to, body, size)
    out.size += to - head + size
    return WRITTEN


cdef uint8_t* read_escape(uint8_t* to, Source* text) noexcept:
    """Writes what the escape stands for that is next in a string that ends; NULL if it is none."""
    cdef uint8_t byte = text.at[1]
    cdef int64_t code, low
    text.at += 2
    if byte == c"u":
        code = read_hex(text)
        if code < 0:
            return NULL
        if 0xD800 <= code < 0xDC00 and text.at[0] == c"\\" and text.at[1] == c"u":
            text.at += 2
            low = read_hex(text)
            if low < 0:
                return NULL
            if 0xDC00 <= low < 0xE000:
                return write_code(to, 0x10000 + ((code - 0xD800) << 10 | (low - 0xDC00)))
            text.at -= 6
        text.doubtful |= 0xD800 <= code < 0xE000  # half of a pair: no text has it, unless a later pair replaces this
        return write_code(to, code)
    if byte == c'"' or byte == c"\\" or byte == c"/":
        to[0] = byte
    elif byte == c"b":
        to[0] = 0x08
    elif byte == c"f":
        to[0] = 0x0C
    elif byte == c"n":
        to[0] = LF
    elif byte == c"r":
        to[0] = CR
    elif byte == c"t":
        to[0] = 0x09
    else:
        return NULL
    return to + 1


cdef int64_t read_hex(Source* text) noexcept:
    """The number in the next four characters; -1 if they are not four hexadecimal digits."""
    cdef int64_t value = 0
    cdef uint32_t index
    cdef uint8_t byte
    if text.end - text.at < 4:
        return -1
    for index in range(4):
        byte = text.at[index]
        if c"0" <= byte <= c"9":
            byte -= c"0"
        elif c"a" <= byte | 0x20 <= c"f":
            byte = (byte | 0x20) - c"a" + 10
        else:
            return -1
        value = value << 4 | byte
    text.at += 4
    return value


cdef uint8_t* write_code(uint8_t* to, uint32_t code) noexcept:
    """Writes a code point as UTF-8 does, half of a surrogate pair too."""
    if code < 0x80:
        to[0] = <uint8_t>code
        return to + 1
    if code < 0x800:
        to[0] = <uint8_t>(0xC0 | code >> 6)
    else:
        if code < 0x10000:
            to[0] = <uint8_t>(0xE0 | code >> 12)
        else:
            to[0] = <uint8_t>(0xF0 | code >> 18)
            to[1] = <uint8_t>(0x80 | (code >> 12 & 63))
            to += 1
        to[1] = <uint8_t>(0x80 | (code >> 6 & 63))
        to += 1
    to[1] = <uint8_t>(0x80 | (code & 63))
    return to + 2


cdef inline bint is_digit(const Source* text, uint64_t ahead) noexcept:
    return <uint64_t>(text.end - text.at) > ahead and c"0" <= text.at[ahead] <= c"9"


cdef int read_number(Output* out, Source* text) except -1:
    """Writes the number that is next: an integer, or a float if it has a fraction or an exponent."""
    cdef const uint8_t* start = text.at
    cdef bint negative = start[0] == c"-", fits = True, whole = True
    cdef uint64_t value = 0, digit, ahead
    cdef uint8_t* to
    text.at += negative
    if not is_digit(text, 0):
        return REFUSED
    if text.at[0] == c"0":
        text.at += 1
    else:
        while is_digit(text, 0):
            digit = text.at[0] - c"0"
            fits = fits and value <= (<uint64_t>-1 - digit) // 10
            value = 10 * value + digit
            text.at += 1
    if text.at < text.end and text.at[0] == c"." and is_digit(text, 1):
        whole = False
        text.at += 1
        while is_digit(text, 0):
            text.at += 1
    if text.at < text.end and text.at[0] | 0x20 == c"e":
        ahead = 1
        if text.end - text.at > 1 and (text.at[1] == c"+" or text.at[1] == c"-"):
            ahead = 2
        if is_digit(text, ahead):
            whole = False
            text.at += ahead
            while is_digit(text, 0):
                text.at += 1
    if not whole:
        return read_float(out, start, text.at - start)
    if not fits or (negative and value > <uint64_t>1 << 63):
        return REFUSED
    to = room(out, 9)
    if to == NULL:
        return REFUSED
    to = write_negative(to, <int64_t>(0 - value)) if negative and value else write_unsigned(to, value)
    out.size = to - out.bytes
    return WRITTEN


cdef int read_float(Output* out, const uint8_t* data, uint64_t size) except -1:
    """Writes the float that `data`, a number, says; REFUSED if it is beyond all floats."""
    cdef double value
    cdef uint64_t bits
    cdef uint8_t* to
    if not read_decimal(data, size, &value):
        value = float_of(data, size)
    if not isfinite(value):
        return REFUSED
    memcpy(&bits, &value, 8)
    to = room(out, 9)
    if to == NULL:
        return REFUSED
    write_head(to, 0xCB, bits, 8)
    out.size += 9
    return WRITTEN


cdef bint read_decimal(const uint8_t* data, uint64_t size, double* value) noexcept:
    """Reads a decimal of at most 15 digits without an exponent; False if it is none.

    Its digits, and the power of ten, are floats without error, so that their quotient is the nearest float.
    """
    cdef bint negative = data[0] == c"-"
    cdef uint64_t digits = 0, after = 0, index
    if not exact_decimals or size > 16:
        return False
    for index in range(negative, size):
        if data[index] == c".":
            after = size - 1 - index
        elif data[index] > c"9" or data[index] < c"0":
            return False
        else:
            digits = 10 * digits + data[index] - c"0"
    value[0] = <double>digits / POWERS_OF_TEN[after]
    if negative:
        value[0] = -value[0]
    return True


cdef double float_of(const uint8_t* data, uint64_t size) except? -1.0:
    cdef char[64] few
    cdef char* text = few
    if size >= sizeof(few):
        text = <char*>PyMem_Malloc(size + 1)
        if text == NULL:
            raise MemoryError
    memcpy(text, data, size)
    text[size] = 0
    try:
        return PyOS_string_to_double(text, NULL, NULL)
    finally:
        if text != few:
            PyMem_Free(text)
