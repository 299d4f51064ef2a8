# MessagePack objects as compact JSON text. The twin is fastserver/framing/jsontext.py, which says what becomes of what.


cdef struct Source:
    const uint8_t* at  # the next byte to look at
    const uint8_t* end
    bint doubtful  # True if what was written has to be looked at again


cdef int put_value(Output* out, Source* source, uint32_t depth) except -1:
    """Writes the object at the source, which is inside `depth` containers; REFUSED if it is malformed, or too long."""
    cdef uint64_t left = source.end - source.at
    cdef uint64_t length, head
    cdef const uint8_t* at = source.at
    cdef Head said
    if left == 0:
        return REFUSED
    said = heads[at[0]]
    if said.kind == FIXED:
        return put_fixed(out, source)
    head = 1 + said.width + (said.kind == EXT)
    if said.kind == NEVER or left < head:
        return REFUSED
    length = big_endian(at + 1, said.width) if said.width else said.length
    source.at += head
    if said.kind == ARRAY or said.kind == MAP:
        if depth == DEEPEST:
            return REFUSED
        if said.kind == ARRAY:
            return put_array(out, source, length, depth + 1)
        return put_map(out, source, length, depth + 1)
    if length > left - head:
        return REFUSED
    source.at += length
    if said.kind == STR:
        return put_text(out, at + head, length)
    if said.kind == BIN:
        return put(out, b'{"$bin":', 8) or put_base64(out, at + head, length) or put_byte(out, c"}")
    if at[head - 1] == TIMESTAMP:
        return put_timestamp(out, at + head, length)
    return (
        put(out, b'{"$ext":[', 9)
        or put_signed(out, <int8_t>at[head - 1])
        or put_byte(out, c",")
        or put_base64(out, at + head, length)
        or put(out, b"]}", 2)
    )


cdef int put_array(Output* out, Source* source, uint64_t length, uint32_t depth) except -1:
    cdef uint64_t index
    if put_byte(out, c"["):
        return REFUSED
    for index in range(length):
        if put_value(out, source, depth) or put_byte(out, c","):
            return REFUSED
    if length == 0:
        return put_byte(out, c"]")
    out.bytes[out.size - 1] = c"]"
    return WRITTEN


cdef int put_map(Output* out, Source* source, uint64_t length, uint32_t depth) except -1:
    cdef uint64_t start = out.size, first = out.pairs_size, index
    cdef bint alike, quoted, clear = True
    cdef int status = WRITTEN
    if put_byte(out, c"{"):
        return REFUSED
    for index in range(length):
        quoted = is_named(source)
        add_pair(out, quoted)
        if (quoted and put_byte(out, c'"')) or put_value(out, source, depth) or (quoted and put_byte(out, c'"')):
            return REFUSED
        out.pairs[first + index].key_end = out.size
        clear = clear and out.bytes[out.pairs[first + index].start] == c'"'
        if put_byte(out, c":") or put_value(out, source, depth) or put_byte(out, c","):
            return REFUSED
    if length == 0:
        return put_byte(out, c"}")
    length = settle(out, first, length, &alike)
    if alike or not clear or (length == 1 and is_tag(out, out.pairs + first)):
        status = as_pairs(out, start, out.pairs + first, length)
    else:
        out.bytes[out.size - 1] = c"}"
    out.pairs_size = first
    return status


cdef bint is_named(const Source* source) noexcept:
    """True if the name of the object at the source, as a key, is its JSON text in quotes."""
    cdef const uint8_t* at = source.at
    cdef uint64_t left = source.end - at
    if left == 0 or heads[at[0]].kind != FIXED:
        return False
    if at[0] == 0xCA:
        return left > 2 and ((at[1] & 0x7F) != 0x7F or not at[2] & 0x80)
    if at[0] == 0xCB:
        return left > 2 and ((at[1] & 0x7F) != 0x7F or (at[2] & 0xF0) != 0xF0)
    return True


cdef bint is_tag(const Output* out, const Pair* pair) noexcept:
    """True if the key of the pair, text in quotes, is that of a form that stands for something else."""
    cdef const uint8_t* key = out.bytes + pair.start
    cdef uint64_t size = pair.key_end - pair.start
    return size > 2 and key[1] == c"$" and tag_of(key + 1, size - 2) != NO_TAG


cdef int as_pairs(Output* out, uint64_t start, const Pair* pairs, uint64_t size) except -1:
    """Makes an array of pairs, and an object with that, of the object at `start`, which lacks its end."""
    cdef uint64_t more = 9, index, end = out.size, from_, length
    cdef uint8_t* to
    for index in range(size):
        more += 0 if pairs[index].apart else 2
    to = room(out, more)
    if to == NULL:
        return REFUSED
    to += more - 2
    out.size += more
    memcpy(to, b"]}", 2)
    index = size
    while index:
        index -= 1
        if index < size - 1:
            to -= 1
            to[0] = c","
        to -= 1
        to[0] = c"]"
        from_ = pairs[index].key_end + 1
        length = end - 1 - from_
        to -= length
        memmove(to, out.bytes + from_, length)
        to -= 1
        to[0] = c","
        from_ = pairs[index].start + pairs[index].apart
        length = pairs[index].key_end - pairs[index].apart - from_
        to -= length
        memmove(to, out.bytes + from_, length)
        to -= 1
        to[0] = c"["
        end = pairs[index].start
    memcpy(out.bytes + start, b'{"$map":[', 9)
    return WRITTEN


def json_of(bytes payload not None, uint64_t limit) -> bytes:
    """The compact JSON text of `payload`, one well-formed MessagePack object.

    Raises ValueError if the text is longer than `limit` (bytes), or the payload malformed.
    """
    cdef Output out
    cdef Source source
    source.at = <const uint8_t*>PyBytes_AS_STRING(payload)
    source.end = source.at + PyBytes_GET_SIZE(payload)
    open_output(&out)
    out.most = limit
    try:
        if put_value(&out, &source, 0) or source.at != source.end:
            raise ValueError(f"JSON text of more than {limit} bytes")
        return PyBytes_FromStringAndSize(<const char*>out.bytes, out.size)
    finally:
        close_output(&out)
