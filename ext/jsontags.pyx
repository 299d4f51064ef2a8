# The forms in which JSON text has what JSON cannot express, read back: see fastserver/framing/jsonvalue.py.

cdef enum Tag:
    NO_TAG
    TAG_BIN
    TAG_EXT
    TAG_TIMESTAMP
    TAG_FLOAT
    TAG_MAP


cdef Tag tag_of(const uint8_t* key, uint64_t size) noexcept:
    if size == 4 and memcmp(key, b"$bin", 4) == 0:
        return TAG_BIN
    if size == 4 and memcmp(key, b"$ext", 4) == 0:
        return TAG_EXT
    if size == 10 and memcmp(key, b"$timestamp", 10) == 0:
        return TAG_TIMESTAMP
    if size == 6 and memcmp(key, b"$float", 6) == 0:
        return TAG_FLOAT
    if size == 4 and memcmp(key, b"$map", 4) == 0:
        return TAG_MAP
    return NO_TAG


cdef int replace(Output* out, uint64_t start, Tag tag, const uint8_t* at, const uint8_t* end) except -1:
    """Puts what stands in a form, at `start`, in its place; its content has been written as the object from `at` on.

    That object is longer than what it stands for, so everything is read before it is written over, byte for byte.
    """
    cdef const uint8_t* text = NULL
    cdef uint64_t size = 0, nanoseconds = 0
    cdef int64_t code = 0, seconds = 0
    cdef uint8_t* to = out.bytes + start
    if tag == TAG_BIN:
        if not take_text(&at, end, &text, &size) or not is_base64(text, size):
            return REFUSED
        to = write_bin_head(to, base64_size(text, size))
        to = read_base64(to, text, size)
    elif tag == TAG_EXT:
        if not take_two(&at) or not take_integer(&at, end, &code) or not take_text(&at, end, &text, &size):
            return REFUSED
        if not -128 <= code <= 127 or code == -1 or not is_base64(text, size):
            return REFUSED
        to = write_ext_head(to, <uint8_t>code, base64_size(text, size))
        to = read_base64(to, text, size)
    elif tag == TAG_TIMESTAMP:
        if take_text(&at, end, &text, &size):
            if not read_time(text, size, &seconds, &nanoseconds):
                return REFUSED
        elif not take_two(&at) or not take_integer(&at, end, &seconds) or not take_integer(&at, end, &code):
            return REFUSED
        elif not 0 <= code <= <int64_t>most_nanoseconds:
            return REFUSED
        else:
            nanoseconds = code
        to = write_timestamp(to, seconds, nanoseconds)
    else:
        if not take_text(&at, end, &text, &size):
            return REFUSED
        if size == 3 and memcmp(text, b"nan", 3) == 0:
            nanoseconds = 0x7FF8000000000000
        elif size == 3 and memcmp(text, b"inf", 3) == 0:
            nanoseconds = 0x7FF0000000000000
        elif size == 4 and memcmp(text, b"-inf", 4) == 0:
            nanoseconds = 0xFFF0000000000000
        else:
            return REFUSED
        to = write_head(to, 0xCB, nanoseconds, 8)
    out.size = to - out.bytes
    return WRITTEN


cdef bint take_two(const uint8_t** at) noexcept:
    """Passes the head of an array of two."""
    cdef uint8_t byte = at[0][0]
    at[0] += 1
    return byte == 0x92


cdef bint take_text(const uint8_t** at, const uint8_t* end, const uint8_t** text, uint64_t* size) noexcept:
    """Passes a str; False, and nothing is passed, if there is none."""
    cdef const uint8_t* here = at[0]
    cdef Head said
    if here == end or heads[here[0]].kind != STR:
        return False
    said = heads[here[0]]
    text[0] = here + 1 + said.width
    size[0] = big_endian(here + 1, said.width) if said.width else said.length
    at[0] = text[0] + size[0]
    return True


cdef bint take_integer(const uint8_t** at, const uint8_t* end, int64_t* value) noexcept:
    """Passes an integer of 64 bits with a sign; False if there is none."""
    cdef const uint8_t* here = at[0]
    cdef uint8_t byte
    cdef uint64_t size
    if here == end:
        return False
    byte = here[0]
    if not (byte < 0x80 or byte >= 0xE0 or 0xCC <= byte <= 0xD3):
        return False
    size = heads[byte].length
    at[0] += 1 + size
    if size == 0:
        value[0] = <int8_t>byte
        return True
    value[0] = <int64_t>big_endian(here + 1, size)
    if byte >= 0xD0:
        value[0] = <int64_t>(<uint64_t>value[0] << (64 - 8 * size)) >> (64 - 8 * size)
        return True
    return value[0] >= 0


cdef bint is_base64(const uint8_t* text, uint64_t size) noexcept:
    """True if it is base64 (RFC 4648, section 4), filled up to a multiple of four characters."""
    cdef uint64_t index
    if size % 4:
        return False
    for index in range(size - base64_pads(text, size)):
        if base64_digit(text[index]) > 63:
            return False
    return True


cdef inline uint64_t base64_pads(const uint8_t* text, uint64_t size) noexcept:
    if size == 0 or text[size - 1] != c"=":
        return 0
    return 2 if text[size - 2] == c"=" else 1


cdef inline uint64_t base64_size(const uint8_t* text, uint64_t size) noexcept:
    return size // 4 * 3 - base64_pads(text, size)


cdef inline uint8_t base64_digit(uint8_t byte) noexcept:
    if c"A" <= byte <= c"Z":
        return byte - c"A"
    if c"a" <= byte <= c"z":
        return byte - c"a" + 26
    if c"0" <= byte <= c"9":
        return byte - c"0" + 52
    return 62 if byte == c"+" else 63 if byte == c"/" else 64


cdef uint8_t* read_base64(uint8_t* to, const uint8_t* text, uint64_t size) noexcept:
    """Writes the bytes that the text stands for, which may lie behind `to` in the same place; gives their end."""
    cdef uint64_t left = base64_size(text, size), index
    cdef uint32_t three
    while left:
        three = 0
        for index in range(4):
            three = three << 6 | (base64_digit(text[index]) & 63)
        text += 4
        for index in range(min(left, <uint64_t>3)):
            to[index] = <uint8_t>(three >> (16 - 8 * index))
        to += min(left, <uint64_t>3)
        left -= min(left, <uint64_t>3)
    return to
