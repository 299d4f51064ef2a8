# An output takes bytes piece by piece, and knows where in them the pairs of maps that are not complete begin.


cdef enum:  # what writing comes to, where it is no error
    WRITTEN
    REFUSED  # it cannot be written, or is more than may be


cdef struct Pair:
    uint64_t start  # where it begins in the bytes, with its key
    uint64_t key_end
    bint apart  # True if the key is another than the same bytes are that are not apart
    bint gone  # True if a later pair with the same key replaces it


cdef struct Output:
    uint8_t* bytes
    uint64_t size
    uint64_t room
    uint64_t most  # size that it may come to
    uint64_t gone  # bytes that were taken out again, and count toward that
    Pair* pairs
    uint64_t pairs_size
    uint64_t pairs_room


cdef void open_output(Output* out) noexcept:
    out.bytes = NULL
    out.pairs = NULL
    restart(out, <uint64_t>-1)
    out.room = out.pairs_room = 0


cdef void close_output(Output* out) noexcept:
    PyMem_Free(out.bytes)
    PyMem_Free(out.pairs)


cdef inline void restart(Output* out, uint64_t most) noexcept:
    """Forgets what was written: the next may be `most` bytes."""
    out.size = out.gone = out.pairs_size = 0
    out.most = most


cdef inline uint8_t* room(Output* out, uint64_t more) except? NULL:
    """The place for `more` bytes, which the caller writes and adds to `size`; NULL if they are too many."""
    if more > out.most - out.size - out.gone:
        return NULL
    if more >= out.room - out.size:  # also at first, when there is no place even for nothing
        grow(out, more)
    return out.bytes + out.size


cdef int grow(Output* out, uint64_t more) except -1:
    cdef uint64_t wanted = max(out.size + more, max(2 * out.room, <uint64_t>256))
    cdef uint8_t* grown = <uint8_t*>PyMem_Realloc(out.bytes, wanted)
    if grown == NULL:
        raise MemoryError
    out.bytes = grown
    out.room = wanted
    return 0


cdef inline int put(Output* out, const void* data, uint64_t size) except -1:
    cdef uint8_t* at = room(out, size)
    if at == NULL:
        return REFUSED
    memcpy(at, data, size)
    out.size += size
    return WRITTEN


cdef inline int put_byte(Output* out, uint8_t byte) except -1:
    return put(out, &byte, 1)


cdef inline int add_pair(Output* out, bint apart) except -1:
    """Notes that a pair of the innermost map begins here."""
    cdef Pair* grown
    cdef uint64_t wanted
    if out.pairs_size == out.pairs_room:
        wanted = max(2 * out.pairs_room, <uint64_t>16)
        grown = <Pair*>PyMem_Realloc(out.pairs, wanted * sizeof(Pair))
        if grown == NULL:
            raise MemoryError
        out.pairs = grown
        out.pairs_room = wanted
    out.pairs[out.pairs_size] = Pair(out.size, 0, apart, False)
    out.pairs_size += 1
    return 0
