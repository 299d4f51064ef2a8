# UTF-8 as Unicode 16 table 3-7 has it: no surrogates, no overlong forms, nothing over U+10FFFF.


cdef inline uint64_t load8(const uint8_t* data) noexcept:
    cdef uint64_t word
    memcpy(&word, data, 8)
    return word


cdef inline bint is_ascii(const uint8_t* data, uint64_t size) noexcept:
    cdef uint64_t seen = 0
    cdef uint64_t at = 0
    cdef uint32_t four, last_four
    cdef uint16_t two
    if size >= 8:
        while at + 8 < size:
            seen |= load8(data + at)
            at += 8
        seen |= load8(data + size - 8)  # overlaps what was seen, which costs less than a loop over bytes
    elif size >= 4:
        memcpy(&four, data, 4)
        memcpy(&last_four, data + size - 4, 4)
        seen = four | last_four
    elif size >= 2:
        memcpy(&two, data, 2)
        seen = two | data[size - 1]
    elif size:
        seen = data[0]
    return not seen & <uint64_t>0x8080808080808080


cdef uint64_t pass_text(
    const uint8_t* data, uint64_t at, uint64_t stop, uint64_t end, bint* wrong
) noexcept:
    """End of the whole characters from `data[at]` on: `stop`, or the start of one that is cut or wrong.

    `data` is there up to `stop`; the text goes on to `end`.
    """
    cdef uint8_t lead, low, high
    cdef uint64_t need, known
    wrong[0] = False
    while at < stop:
        if stop - at >= 8 and not load8(data + at) & <uint64_t>0x8080808080808080:
            at += 8
            while stop - at >= 32 and is_ascii(data + at, 32):
                at += 32
            continue
        lead = data[at]
        if lead < 0x80:
            at += 1
            continue
        low, high = 0x80, 0xBF
        if 0xC2 <= lead <= 0xDF:
            need = 2
        elif 0xE0 <= lead <= 0xEF:
            need = 3
            if lead == 0xE0:
                low = 0xA0
            elif lead == 0xED:
                high = 0x9F
        elif 0xF0 <= lead <= 0xF4:
            need = 4
            if lead == 0xF0:
                low = 0x90
            elif lead == 0xF4:
                high = 0x8F
        else:
            wrong[0] = True
            return at
        if need > end - at:
            wrong[0] = True
            return at
        for known in range(1, need):
            if at + known >= stop:
                return at
            if data[at + known] < low or data[at + known] > high:
                wrong[0] = True
                return at
            low, high = 0x80, 0xBF
        at += need
    return at
