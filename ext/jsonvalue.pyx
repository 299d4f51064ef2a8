# JSON text as MessagePack objects. The twin is fastserver/framing/jsonvalue.py, which says what becomes of what.

cdef enum:
    DEEPEST_TEXT = 400  # brackets within each other, as in fastserver/framing/jsonvalue.py


cdef struct Shape:  # of an array
    uint64_t size
    uint64_t second  # where its second element begins in the output
    bint pairs  # True if it is one of pairs, which are noted above those of the objects around


cdef inline void pass_space(Source* text) noexcept:
    while text.at < text.end and (text.at[0] == c" " or LF == text.at[0] or text.at[0] == CR or text.at[0] == c"\t"):
        text.at += 1


cdef inline bint take(Source* text, uint8_t byte) noexcept:
    """Passes space, and the byte if it is next; False if it is not."""
    pass_space(text)
    if text.at == text.end or text.at[0] != byte:
        return False
    text.at += 1
    return True


cdef int read_json(Output* out, const uint8_t* data, uint64_t size) except -1:
    """Writes the object that `data`, UTF-8, stands for; REFUSED if that is not one JSON value, or not to be held."""
    cdef Source text = Source(data, data + size, False)
    cdef Shape shape
    cdef Scan scan
    if read_value(out, &text, 0, False, &shape):
        return REFUSED
    pass_space(&text)
    if text.at != text.end:
        return REFUSED
    if text.doubtful:
        scan_begin(&scan, 0, out.size, True, CLOSE)
        if scan_run(&scan, out.bytes, out.size) != DONE:
            return REFUSED
    return WRITTEN


cdef int read_value(Output* out, Source* text, uint32_t depth, bint as_pairs, Shape* shape) except -1:
    """Writes the value at the text, which is inside `depth` containers. With `as_pairs`, an array of pairs notes them."""
    cdef uint8_t byte
    shape.size = 0
    shape.pairs = False
    pass_space(text)
    if text.at == text.end:
        return REFUSED
    byte = text.at[0]
    if byte == c'"':
        return read_string(out, text)
    if byte == c"-" or c"0" <= byte <= c"9":
        return read_number(out, text)
    if byte == c"{" or byte == c"[":
        if depth == DEEPEST_TEXT:
            return REFUSED
        text.doubtful |= depth >= DEEPEST
        text.at += 1
        if byte == c"[":
            return read_array(out, text, depth + 1, as_pairs, shape)
        return read_object(out, text, depth + 1)
    if read_word(text, b"true", 4):
        return put_byte(out, 0xC3)
    if read_word(text, b"false", 5):
        return put_byte(out, 0xC2)
    if read_word(text, b"null", 4):
        return put_byte(out, 0xC0)
    return REFUSED


cdef bint read_word(Source* text, const char* word, uint64_t size) noexcept:
    if <uint64_t>(text.end - text.at) < size or memcmp(text.at, word, size) != 0:
        return False
    text.at += size
    return True


cdef int read_array(Output* out, Source* text, uint32_t depth, bint as_pairs, Shape* shape) except -1:
    cdef uint64_t start = out.size, first = out.pairs_size, at, shift
    cdef Shape inner
    shape.pairs = as_pairs
    if put_byte(out, 0):
        return REFUSED
    if take(text, c"]"):
        return close_container(out, start, False, 0)
    while True:
        at = out.size
        if shape.size == 1:
            shape.second = at
        if read_value(out, text, depth, False, &inner):
            return REFUSED
        shape.size += 1
        if as_pairs:
            shape.pairs = shape.pairs and inner.size == 2
            add_pair(out, False)
            out.pairs[out.pairs_size - 1] = Pair(at + 1, inner.second, False, False)
        if take(text, c"]"):
            break
        if not take(text, c","):
            return REFUSED
    shift = container_head(shape.size) - 1
    if shift:
        shape.second += shift
        while as_pairs and first < out.pairs_size:
            out.pairs[first].start += shift
            out.pairs[first].key_end += shift
            first += 1
    return close_container(out, start, False, shape.size)


cdef int close_container(Output* out, uint64_t start, bint is_map, uint64_t size) except -1:
    """Writes the head of the container that was begun at `start` with one byte in the place of the head."""
    cdef uint64_t shift = container_head(size) - 1
    if size > 0xFFFFFFFF:
        return REFUSED
    if shift:
        if room(out, shift) == NULL:
            return REFUSED
        memmove(out.bytes + start + 1 + shift, out.bytes + start + 1, out.size - start - 1)
        out.size += shift
    write_container_head(out.bytes + start, is_map, size)
    return WRITTEN


cdef int read_object(Output* out, Source* text, uint32_t depth) except -1:
    cdef uint64_t start = out.size, first = out.pairs_size, size = 0
    cdef Pair* pair
    cdef Shape content
    cdef Tag tag = NO_TAG
    cdef int status
    content.pairs = False
    if put_byte(out, 0):
        return REFUSED
    if take(text, c"}"):
        return close_container(out, start, True, 0)
    while True:
        pass_space(text)
        if text.at == text.end or text.at[0] != c'"':
            return REFUSED
        out.pairs_size = first + size  # without those that the value before has noted
        add_pair(out, False)
        if read_string(out, text) or not take(text, c":"):
            return REFUSED
        pair = out.pairs + first + size
        pair.key_end = out.size
        size += 1
        tag = tag_of(out.bytes + pair.start + 1, pair.key_end - pair.start - 1)  # all are short: the head is a byte
        if read_value(out, text, depth, tag == TAG_MAP, &content):
            return REFUSED
        if take(text, c"}"):
            break
        if not take(text, c","):
            return REFUSED
    status = close_object(out, start, first, size, tag, content.pairs)
    out.pairs_size = first
    return status


cdef int close_object(
    Output* out, uint64_t start, uint64_t first, uint64_t size, Tag tag, bint of_pairs
) except -1:
    """Ends the object that began at `start`, with `size` pairs that are noted from `first` on.

    `tag` is what its last key is; `of_pairs` tells that the pairs in the last value are noted behind its own.
    """
    cdef uint64_t content = first + size
    cdef uint64_t last = out.pairs[content - 1].start, moved
    cdef bint alike
    size = settle(out, first, size, &alike)
    moved = last - out.pairs[first + size - 1].start
    if size > 1 or tag == NO_TAG:
        return close_container(out, start, True, size)
    if tag == TAG_MAP:
        return make_map(out, start, content, moved) if of_pairs else REFUSED
    return replace(out, start, tag, out.bytes + out.pairs[first].key_end, out.bytes + out.size)


cdef int make_map(Output* out, uint64_t start, uint64_t first, uint64_t moved) except -1:
    """Makes a map, at `start`, of the pairs that are noted from `first` on, each with one byte before it; all of them
    have `moved` down since."""
    cdef Pair* pairs = out.pairs + first
    cdef uint64_t size = out.pairs_size - first
    cdef uint64_t to = start + 1, index, begin, end
    cdef bint alike
    for index in range(size):
        begin = pairs[index].start - moved
        end = pairs[index + 1].start - moved - 1 if index + 1 < size else out.size
        memmove(out.bytes + to, out.bytes + begin, end - begin)
        pairs[index].key_end = to + (pairs[index].key_end - moved - begin)
        pairs[index].start = to
        to += end - begin
    out.size = to
    size = settle(out, first, size, &alike)
    return close_container(out, start, True, size)


def object_of(bytes text not None) -> bytes:
    """The MessagePack object that `text`, UTF-8, stands for.

    Raises ValueError if that is not exactly one JSON value, or one that MessagePack cannot hold.
    """
    cdef Output out
    cdef const uint8_t* data = <const uint8_t*>PyBytes_AS_STRING(text)
    cdef uint64_t size = PyBytes_GET_SIZE(text)
    cdef bint wrong
    open_output(&out)
    try:
        pass_text(data, 0, size, size, &wrong)
        if wrong or read_json(&out, data, size):
            raise ValueError("not one JSON value that MessagePack can hold")
        return PyBytes_FromStringAndSize(<const char*>out.bytes, out.size)
    finally:
        close_output(&out)
