# Pairs of a map that have the same key: the last of them stays, where it is.


cdef extern from *:
    """
    #define ROTATED(word, by) ((word) << (by) | (word) >> (64 - (by)))
    #define SIP_ROUND                                                                   \\
        do {                                                                            \\
            a += b; c += d; b = ROTATED(b, 13) ^ a; d = ROTATED(d, 16) ^ c; a = ROTATED(a, 32); \\
            c += b; a += d; b = ROTATED(b, 17) ^ c; d = ROTATED(d, 21) ^ a; c = ROTATED(c, 32); \\
        } while (0)

    /* SipHash-1-3 (https://www.aumasson.jp/siphash/siphash.pdf): nobody who does not know the secret can choose keys
       that have the same hash. */
    static uint64_t keyed_hash(const uint8_t *data, uint64_t size, const uint64_t *secret) {
        uint64_t a = secret[0] ^ 0x736f6d6570736575u, b = secret[1] ^ 0x646f72616e646f6du;
        uint64_t c = secret[0] ^ 0x6c7967656e657261u, d = secret[1] ^ 0x7465646279746573u;
        uint64_t word, last = size << 56;
        for (; size >= 8; size -= 8, data += 8) {
            memcpy(&word, data, 8);
            d ^= word;
            SIP_ROUND;
            a ^= word;
        }
        for (uint64_t at = 0; at < size; at++)
            last |= (uint64_t)data[at] << 8 * at;
        d ^= last;
        SIP_ROUND;
        a ^= last;
        c ^= 0xff;
        SIP_ROUND;
        SIP_ROUND;
        SIP_ROUND;
        return a ^ b ^ c ^ d;
    }
    """
    uint64_t keyed_hash(const uint8_t* data, uint64_t size, const uint64_t* secret) noexcept nogil


cdef enum:
    FEW_PAIRS = 16  # each is compared with all others
    FREE = -1

cdef uint64_t[2] secret

secret[0] = int.from_bytes(urandom(8), "little")
secret[1] = int.from_bytes(urandom(8), "little")


cdef int64_t settle(Output* out, uint64_t first, uint64_t size, bint* alike) except -1:
    """Takes out the pairs, of the `size` from `first` on, that have the same key as a later one; gives how many stay.

    Each ends where the next begins, the last where the output ends. `alike` tells whether two of the keys that stay are
    the same bytes, one of them apart.
    """
    cdef Pair* pairs = out.pairs + first
    cdef uint64_t later, index
    cdef bint same = False
    alike[0] = False
    if size > FEW_PAIRS:
        same = compare_hashes(out.bytes, pairs, size, alike)
    else:
        for later in range(1, size):
            for index in range(later):
                if same_key(out.bytes, pairs + index, pairs + later):
                    if pairs[index].apart == pairs[later].apart:
                        pairs[index].gone = same = True
                    else:
                        alike[0] = True
    return take_out(out, pairs, size) if same else size


cdef inline bint same_key(const uint8_t* data, const Pair* one, const Pair* other) noexcept:
    cdef uint64_t size = one.key_end - one.start
    return size == other.key_end - other.start and memcmp(data + one.start, data + other.start, size) == 0


cdef int compare_hashes(const uint8_t* data, Pair* pairs, uint64_t size, bint* alike) except -1:
    """Finds the pairs that are gone, and those that are alike; 1 if any are gone."""
    cdef uint64_t places = 64, at, index
    cdef int64_t there
    cdef int same = 0
    cdef int64_t* table  # the index of the pair there, or FREE
    while places < 2 * size:
        places *= 2
    table = <int64_t*>PyMem_Malloc(places * sizeof(int64_t))
    if table == NULL:
        raise MemoryError
    memset(table, 0xFF, places * sizeof(int64_t))
    index = size
    while index:
        index -= 1
        at = keyed_hash(data + pairs[index].start, pairs[index].key_end - pairs[index].start, secret) & (places - 1)
        while True:
            there = table[at]
            if there == FREE:
                table[at] = index
                break
            if same_key(data, pairs + index, pairs + there):
                if pairs[index].apart == pairs[there].apart:
                    pairs[index].gone = True
                    same = 1
                    break
                alike[0] = True
            at = (at + 1) & (places - 1)
    PyMem_Free(table)
    return same


cdef uint64_t take_out(Output* out, Pair* pairs, uint64_t size) noexcept:
    """Moves the pairs together that stay; gives how many they are."""
    cdef uint64_t kept = 0, to = pairs[0].start, index, length, moved
    for index in range(size):
        length = (pairs[index + 1].start if index + 1 < size else out.size) - pairs[index].start
        if pairs[index].gone:
            out.gone += length
            continue
        moved = pairs[index].start - to
        memmove(out.bytes + to, out.bytes + pairs[index].start, length)
        pairs[kept] = pairs[index]
        pairs[kept].start -= moved
        pairs[kept].key_end -= moved
        to += length
        kept += 1
    out.size = to
    return kept
