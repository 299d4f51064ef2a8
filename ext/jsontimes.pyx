# Timestamps as JSON text and back. The twins are in fastserver/framing/jsontext.py and jsonvalue.py.

cdef enum:
    DAY = 86400  # seconds
    ERA = 146097  # days in 400 years

cdef int64_t first_second = -62135596800  # of the year 1
cdef int64_t last_second = 253402300799  # of the year 9999


cdef int put_timestamp(Output* out, const uint8_t* data, uint64_t size) except -1:
    """Writes a timestamp of that many bytes (the specification of MessagePack, section "Timestamp extension type")."""
    cdef uint64_t nanoseconds = 0
    cdef int64_t seconds
    if size == 4:
        seconds = big_endian(data, 4)
    elif size == 8:
        nanoseconds = big_endian(data, 8)
        seconds = nanoseconds & <uint64_t>0x3FFFFFFFF
        nanoseconds >>= 34
    elif size == 12:
        nanoseconds = big_endian(data, 4)
        seconds = <int64_t>big_endian(data + 4, 8)
    else:
        return REFUSED
    if nanoseconds > most_nanoseconds:
        return REFUSED
    if put(out, b'{"$timestamp":', 14):
        return REFUSED
    if first_second <= seconds <= last_second:
        return put_time(out, seconds, nanoseconds) or put_byte(out, c"}")
    return (
        put_byte(out, c"[")
        or put_signed(out, seconds)
        or put_byte(out, c",")
        or put_unsigned(out, nanoseconds)
        or put(out, b"]}", 2)
    )


cdef int put_time(Output* out, int64_t seconds, uint64_t nanoseconds) except -1:
    """Writes a time as ISO 8601 has it, in quotes."""
    cdef uint8_t[32] text
    cdef int64_t days = seconds // DAY, second = seconds % DAY
    cdef uint64_t size = 20
    if second < 0:  # C divides towards zero
        second += DAY
        days -= 1
    text[0] = c'"'
    put_date(text + 1, days)
    text[11] = c"T"
    put_digits(text + 12, second // 3600, 2)
    text[14] = c":"
    put_digits(text + 15, second // 60 % 60, 2)
    text[17] = c":"
    put_digits(text + 18, second % 60, 2)
    if nanoseconds:
        text[20] = c"."
        put_digits(text + 21, nanoseconds, 9)
        size = 30
    memcpy(text + size, b'Z"', 2)
    return put(out, text, size + 2)


cdef void put_date(uint8_t* text, int64_t days) noexcept:
    """Writes year, month and day, of days since 1970, in the Gregorian calendar; the year begins in March here, so that
    a leap day is its last."""
    cdef int64_t day = days + 719468  # since 1 March of the year 0
    cdef int64_t era = day // ERA
    cdef int64_t of_era = day % ERA
    cdef int64_t year = (of_era - of_era // 1460 + of_era // 36524 - of_era // 146096) // 365
    cdef int64_t of_year = of_era - (365 * year + year // 4 - year // 100)
    cdef int64_t month = (5 * of_year + 2) // 153
    put_digits(text, year + 400 * era + (month >= 10), 4)
    text[4] = text[7] = c"-"
    put_digits(text + 5, month + 3 if month < 10 else month - 9, 2)
    put_digits(text + 8, of_year - (153 * month + 2) // 5 + 1, 2)


cdef void put_digits(uint8_t* text, uint64_t value, uint32_t size) noexcept:
    while size:
        size -= 1
        text[size] = <uint8_t>(c"0" + value % 10)
        value //= 10


cdef int64_t days_before(int64_t year, int64_t month, int64_t day) noexcept:
    """Days since 1970 of a date of the year 1 or later: the way back from `put_date`."""
    cdef int64_t of_year, since
    since = year - (month <= 2)
    of_year = (153 * (month - 3 if month > 2 else month + 9) + 2) // 5 + day - 1
    return since // 400 * ERA + since % 400 * 365 + since % 400 // 4 - since % 400 // 100 + of_year - 719468


cdef bint read_time(const uint8_t* text, uint64_t size, int64_t* seconds, uint64_t* nanoseconds) noexcept:
    """Reads a time as `put_time` writes it; False if it is none."""
    cdef int64_t year, month, day, hour, minute, second, fraction = 0
    if size < 20 or text[size - 1] != c"Z" or text[4] != c"-" or text[7] != c"-" or text[10] != c"T":
        return False
    if text[13] != c":" or text[16] != c":":
        return False
    year = read_digits(text, 4)
    month = read_digits(text + 5, 2)
    day = read_digits(text + 8, 2)
    hour = read_digits(text + 11, 2)
    minute = read_digits(text + 14, 2)
    second = read_digits(text + 17, 2)
    if year < 1 or not 1 <= month <= 12 or not 1 <= day <= days_in(year, month):
        return False
    if not (0 <= hour < 24 and 0 <= minute < 60 and 0 <= second < 60):
        return False
    if size > 20:
        if text[19] != c"." or not 22 <= size <= 30:
            return False
        fraction = read_digits(text + 20, size - 21)
        if fraction < 0:
            return False
        while size < 30:
            fraction *= 10
            size += 1
    seconds[0] = days_before(year, month, day) * DAY + hour * 3600 + minute * 60 + second
    nanoseconds[0] = fraction
    return True


cdef int64_t read_digits(const uint8_t* text, uint64_t size) noexcept:
    """The number that the digits make; -1 if they are not all digits."""
    cdef int64_t value = 0
    cdef uint64_t index
    for index in range(size):
        if not c"0" <= text[index] <= c"9":
            return -1
        value = 10 * value + text[index] - c"0"
    return value


cdef int64_t days_in(int64_t year, int64_t month) noexcept:
    if month == 2:
        return 29 if year % 4 == 0 and (year % 100 != 0 or year % 400 == 0) else 28
    return 30 if month in (4, 6, 9, 11) else 31
