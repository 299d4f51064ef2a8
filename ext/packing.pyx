# The heads of MessagePack objects, each the shortest there is, as `msgpack.packb` writes them. What is given back is the
# place behind what was written.

cdef inline uint8_t* write_number(uint8_t* to, uint64_t value, uint32_t size) noexcept:
    """Writes the lowest `size` bytes of a number, big-endian."""
    cdef uint32_t index
    for index in range(size):
        to[index] = <uint8_t>(value >> 8 * (size - 1 - index))
    return to + size


cdef inline uint8_t* write_head(uint8_t* to, uint8_t first, uint64_t value, uint32_t size) noexcept:
    """Writes a byte, and a number behind it."""
    to[0] = first
    return write_number(to + 1, value, size)


cdef uint8_t* write_str_head(uint8_t* to, uint64_t size) noexcept:
    if size < 32:
        return write_head(to, <uint8_t>(0xA0 | size), 0, 0)
    if size < 0x100:
        return write_head(to, 0xD9, size, 1)
    return write_head(to, 0xDA, size, 2) if size < 0x10000 else write_head(to, 0xDB, size, 4)


cdef uint8_t* write_bin_head(uint8_t* to, uint64_t size) noexcept:
    if size < 0x100:
        return write_head(to, 0xC4, size, 1)
    return write_head(to, 0xC5, size, 2) if size < 0x10000 else write_head(to, 0xC6, size, 4)


cdef uint8_t* write_ext_head(uint8_t* to, uint8_t code, uint64_t size) noexcept:
    if size == 1 or size == 2 or size == 4 or size == 8 or size == 16:
        to[0] = 0xD4 if size == 1 else 0xD5 if size == 2 else 0xD6 if size == 4 else 0xD7 if size == 8 else 0xD8
        to += 1
    elif size < 0x100:
        to = write_head(to, 0xC7, size, 1)
    elif size < 0x10000:
        to = write_head(to, 0xC8, size, 2)
    else:
        to = write_head(to, 0xC9, size, 4)
    to[0] = code
    return to + 1


cdef uint32_t container_head(uint64_t size) noexcept:
    """Bytes of the head of an array or map of `size` elements or pairs."""
    return 1 if size < 16 else 3 if size < 0x10000 else 5


cdef uint8_t* write_container_head(uint8_t* to, bint is_map, uint64_t size) noexcept:
    if size < 16:
        return write_head(to, <uint8_t>((0x80 if is_map else 0x90) | size), 0, 0)
    if size < 0x10000:
        return write_head(to, 0xDE if is_map else 0xDC, size, 2)
    return write_head(to, 0xDF if is_map else 0xDD, size, 4)


cdef uint8_t* write_unsigned(uint8_t* to, uint64_t value) noexcept:
    if value < 0x80:
        return write_head(to, <uint8_t>value, 0, 0)
    if value < 0x100:
        return write_head(to, 0xCC, value, 1)
    if value < 0x10000:
        return write_head(to, 0xCD, value, 2)
    return write_head(to, 0xCE, value, 4) if value < 0x100000000 else write_head(to, 0xCF, value, 8)


cdef uint8_t* write_negative(uint8_t* to, int64_t value) noexcept:
    if value >= -32:
        return write_head(to, <uint8_t>value, 0, 0)
    if value >= -0x80:
        return write_head(to, 0xD0, <uint64_t>value, 1)
    if value >= -0x8000:
        return write_head(to, 0xD1, <uint64_t>value, 2)
    return write_head(to, 0xD2, <uint64_t>value, 4) if value >= -0x80000000 else write_head(to, 0xD3, <uint64_t>value, 8)


cdef uint8_t* write_timestamp(uint8_t* to, int64_t seconds, uint64_t nanoseconds) noexcept:
    if seconds < 0 or seconds >> 34:
        to = write_ext_head(to, TIMESTAMP, 12)
        return write_number(write_number(to, nanoseconds, 4), <uint64_t>seconds, 8)
    if nanoseconds or seconds >> 32:
        to = write_ext_head(to, TIMESTAMP, 8)
        return write_number(to, nanoseconds << 34 | <uint64_t>seconds, 8)
    return write_number(write_ext_head(to, TIMESTAMP, 4), seconds, 4)
