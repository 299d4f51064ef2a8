# The input of a splitter, the bytes it holds, and its output.


cdef struct Input:
    const uint8_t* bytes
    uint64_t size
    bint viewed
    Py_buffer view


cdef int open_input(object data, Input* chunk) except -1:
    chunk.viewed = not PyBytes_CheckExact(data)
    if chunk.viewed:
        PyObject_GetBuffer(data, &chunk.view, PyBUF_SIMPLE)
        chunk.bytes = <const uint8_t*>chunk.view.buf
        chunk.size = chunk.view.len
    else:
        chunk.bytes = <const uint8_t*>PyBytes_AS_STRING(data)
        chunk.size = PyBytes_GET_SIZE(data)
    return 0


cdef inline void close_input(Input* chunk) noexcept:
    if chunk.viewed:
        PyBuffer_Release(&chunk.view)


cdef struct Buffer:
    uint8_t* bytes
    uint64_t size
    uint64_t capacity


cdef int buffer_append(Buffer* held, const uint8_t* data, uint64_t size, uint64_t most) except -1:
    """Adds `data[:size]`; `most` is the largest size that `held` can come to."""
    cdef uint64_t wanted = held.size + size
    cdef uint8_t* grown
    if size == 0:
        return 0
    if wanted > held.capacity:
        # Doubling keeps the copying linear; the first allocation is as small as the bytes are few.
        wanted = max(wanted, min(2 * held.capacity, most))
        grown = <uint8_t*>PyMem_Realloc(held.bytes, wanted)
        if grown == NULL:
            raise MemoryError
        held.bytes = grown
        held.capacity = wanted
    memcpy(held.bytes + held.size, data, size)
    held.size += size
    return 0


cdef void buffer_clear(Buffer* held) noexcept:
    PyMem_Free(held.bytes)
    held.bytes = NULL
    held.size = held.capacity = 0


cdef bytes joined(const uint8_t* head, uint64_t head_size, const uint8_t* rest, uint64_t rest_size):
    cdef bytes made = PyBytes_FromStringAndSize(NULL, head_size + rest_size)
    cdef char* out = PyBytes_AS_STRING(made)
    if head_size:
        memcpy(out, head, head_size)
    if rest_size:
        memcpy(out + head_size, rest, rest_size)
    return made
