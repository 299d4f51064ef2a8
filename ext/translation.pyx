# Frames of one framing as frames of another. The twin is fastserver/framing/translation.py, which has the table.


def translate(source, target, bytes frames not None, Py_ssize_t count, uint64_t limit) -> Translation:
    """`frames`, complete, `count` of them, of the framing `source`, as frames of `target`, in the same order.

    `limit` is how many bytes a translated payload may have.
    """
    cdef Messages messages
    cdef Form form
    if source is target:
        return Translation(frames, count, 0)
    read = source.messages(frames, None)
    written = target.messages(b"", None)
    if not isinstance(read, Messages) or not isinstance(written, Messages):
        return translate_slowly(source, target, frames, count, limit)
    messages = <Messages>read
    form = (<Messages>written).form
    if not form.writes:
        return translate_slowly(source, target, frames, count, limit)
    return translate_to(messages, form, target.typed and target.codec.parses, count, limit)


cdef object translate_to(Messages messages, Form target, bint parses, Py_ssize_t count, uint64_t limit):
    cdef Form source = messages.form
    cdef bint from_object = isinstance(source, ObjectForm), to_object = isinstance(target, ObjectForm)
    cdef const char* frames = PyBytes_AS_STRING(messages.frames)
    cdef Py_ssize_t start = messages.start, index, head, tail, made = 0
    cdef const uint8_t* payload
    cdef uint64_t size, before
    cdef Output out, made_of
    cdef bytes plain
    cdef int status
    open_output(&out)
    open_output(&made_of)
    try:
        for index in range(messages.size):
            source.bounds(frames + start, messages.ends[index] - start, &head, &tail)
            payload = <const uint8_t*>frames + start + head
            size = messages.ends[index] - start - head - tail
            if source.escaped:
                plain = source.payload(frames + start + head, size)
                payload = <const uint8_t*>PyBytes_AS_STRING(plain)
                size = PyBytes_GET_SIZE(plain)
            start = messages.ends[index]
            before = out.size
            status = WRITTEN
            if from_object and not to_object:
                status = to_bytes(&made_of, &payload, &size, limit)
            elif to_object and not from_object:
                status = to_value(&made_of, &payload, &size, parses)
            if status == WRITTEN and target.write(&out, payload, size, limit) == WRITTEN:
                made += 1
            else:
                out.size = before
        return Translation(PyBytes_FromStringAndSize(<const char*>out.bytes, out.size), made, count - made)
    finally:
        close_output(&out)
        close_output(&made_of)


cdef int to_bytes(Output* out, const uint8_t** payload, uint64_t* size, uint64_t limit) except -1:
    """Puts the bytes that stand for a MessagePack object in its place; REFUSED if they are made and over the limit."""
    cdef Source source = Source(payload[0], payload[0] + size[0], False)
    cdef Head said
    if size[0] == 0:
        return REFUSED
    said = heads[payload[0][0]]
    if said.kind == STR or said.kind == BIN:
        payload[0] += 1 + said.width
        size[0] -= 1 + said.width
        return WRITTEN
    restart(out, limit)
    if put_value(out, &source, 0):
        return REFUSED
    payload[0] = out.bytes
    size[0] = out.size
    return WRITTEN


cdef int to_value(Output* out, const uint8_t** payload, uint64_t* size, bint parses) except -1:
    """Puts a MessagePack object in the place of bytes: a str if they are UTF-8, else a bin; if it `parses`, the value
    if they are JSON."""
    cdef const uint8_t* data = payload[0]
    cdef uint64_t length = size[0]
    cdef uint8_t* to
    cdef uint8_t* body
    cdef bint binary
    if length > 0xFFFFFFFF:
        return REFUSED
    pass_text(data, 0, length, length, &binary)
    restart(out, <uint64_t>-1)
    if not parses or binary or read_json(out, data, length):
        restart(out, <uint64_t>-1)
        to = room(out, 5 + length)
        body = write_bin_head(to, length) if binary else write_str_head(to, length)
        memcpy(body, data, length)
        out.size = body - to + length
    payload[0] = out.bytes
    size[0] = out.size
    return WRITTEN
