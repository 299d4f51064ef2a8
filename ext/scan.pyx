# The scan of a MessagePack object: checks bytes as they arrive, and builds nothing.
# The twin is fastserver/framing/scan.py; positions here count from the start of the frame.

cdef enum:
    DEEPEST = 128

cdef enum InvalidText:  # in the order of fastserver/framing/arguments.py
    CLOSE
    SKIP
    PASS

cdef enum Status:
    DONE
    MORE
    FAULT

cdef enum Kind:  # in the twin's order
    FIXED
    STR
    BIN
    EXT
    ARRAY
    MAP
    NEVER
    MESSAGE = 6  # no element: the length before one, in `refusals`

cdef enum Fault:
    FAULT_NEVER
    FAULT_NESTED
    FAULT_PAST
    FAULT_SHORT
    FAULT_TEXT
    FAULT_TIMESTAMP
    FAULT_NANOSECONDS
    FAULT_MESSAGE
    FAULT_ENDED

cdef struct Head:
    uint8_t kind
    uint8_t width  # bytes of the length field
    uint8_t length  # where there is no such field

cdef Head[256] heads


cdef int fill_heads() except -1:
    for first, (kind, width, length) in enumerate(HEADS):
        heads[first] = Head(kind, width, length)
    return 0


fill_heads()

cdef uint64_t BOUNDLESS = <uint64_t>1 << 62  # more bytes than an object ever promises
cdef uint64_t most_nanoseconds = NANOSECONDS

cdef struct Scan:
    uint64_t at  # the next byte to look at
    uint64_t end  # where the object must end (exact) or at the latest; 0: the frame's prefix is not read yet
    uint64_t slack  # bytes left over if every element still promised took one byte
    uint64_t left  # elements the innermost container still promises
    uint64_t body  # bytes to come of the str, bin, ext or number begun
    uint32_t depth
    bint exact
    bint text  # True if `body` is a str's, and to be checked
    InvalidText invalid
    bint spoilt  # True if the object is to be skipped
    # The fault: where, and the kind of the element that promises `low` to `high`.
    Fault fault
    Kind kind
    uint64_t wrong
    uint64_t began  # where in the stream the frame began, while it is passed by
    uint64_t low
    uint64_t high
    uint64_t[DEEPEST] stack  # `left` of the containers around


cdef inline void scan_begin(Scan* scan, uint64_t start, uint64_t end, bint exact, InvalidText invalid) noexcept:
    scan.at = start
    scan.invalid = invalid
    scan.spoilt = False
    scan.end = end
    scan.slack = end - start - 1
    scan.left = 1
    scan.body = 0
    scan.depth = 0
    scan.exact = exact


cdef inline Status refuse(Scan* scan, Fault fault, uint64_t at) noexcept:
    scan.fault = fault
    scan.wrong = at
    return FAULT


cdef inline Status spoil(Scan* scan, Fault fault, uint64_t at, uint64_t low) noexcept:
    """Notes an element that is wrong but of known length, so that the object can be skipped, or refuses it."""
    if scan.invalid == SKIP and scan.spoilt:
        return DONE
    scan.low = low
    refuse(scan, fault, at)
    scan.spoilt = scan.invalid == SKIP
    return DONE if scan.spoilt else FAULT


cdef inline void scan_shift(Scan* scan) noexcept:
    """Prepares for a run with the bytes from `at` on."""
    scan.end -= scan.at
    scan.at = 0


cdef inline void scan_past_limit(Scan* scan) noexcept:
    """Goes on, after the limit was passed, to the end of the object, whatever its text."""
    scan.end += BOUNDLESS
    scan.slack += BOUNDLESS
    scan.invalid = SKIP
    scan.spoilt = True
    scan.text = False


cdef inline bint over_limit(Scan* scan) noexcept:
    """Whether the fault is that the frame is over the limit."""
    return (scan.fault == FAULT_PAST and not scan.exact) or (scan.fault == FAULT_MESSAGE and scan.high > 0)


cdef Status scan_run(Scan* scan, const uint8_t* data, uint64_t size) noexcept:
    """DONE once the object is complete in `data[:size]`, which begins with the bytes that the last run was given."""
    cdef Status status
    while True:
        if scan.body:
            status = pass_body(scan, data, size)
            if status != DONE:
                return status
        if pass_common(scan, data, size):
            return DONE
        if scan.at == size:
            return MORE
        status = pass_head(scan, data, size)
        if status != DONE:
            return status


cdef bint pass_common(Scan* scan, const uint8_t* data, uint64_t size) noexcept:
    """Takes elements as long as they are common ones, complete and right; True once the object is done."""
    cdef uint64_t at = scan.at, slack = scan.slack, left = scan.left, owed = scan.end - at - slack
    cdef uint64_t extra
    cdef uint32_t depth = scan.depth
    cdef uint8_t byte
    cdef bint done = False
    while True:
        while left == 0 and depth:
            depth -= 1
            left = scan.stack[depth]
        if left == 0:
            done = True
            break
        if at >= size:
            break
        byte = data[at]
        if byte < 0x80 or byte >= 0xE0 or byte == 0xC0 or byte == 0xC2 or byte == 0xC3:
            extra = 0
        elif byte < 0xA0:
            extra = byte & 15
            if byte < 0x90:
                extra *= 2
            if extra == 0 or extra > slack or depth == DEEPEST:
                break
            scan.stack[depth] = left - 1
            depth += 1
            left = extra
            slack -= extra
            owed += extra - 1
            at += 1
            continue
        elif byte < 0xC0:
            extra = byte & 31
            if extra >= size - at or not is_ascii(data + at + 1, extra):
                break
        elif heads[byte].kind == FIXED:
            extra = heads[byte].length
            if extra >= size - at:
                break
        elif byte == 0xD9:
            if size - at < 2:
                break
            extra = 1 + data[at + 1]
            if extra >= size - at or not is_ascii(data + at + 2, extra - 1):
                break
        else:
            break
        if extra > slack or (owed == 1 and scan.exact and extra != slack):
            break
        slack -= extra
        owed -= 1
        left -= 1
        at += 1 + extra
    scan.at = at
    scan.slack = slack
    scan.left = left
    scan.depth = depth
    return done


cdef Status pass_head(Scan* scan, const uint8_t* data, uint64_t size) noexcept:
    """Takes one element's header; MORE if part of the header is missing."""
    cdef uint64_t at = scan.at
    cdef Head said = heads[data[at]]
    cdef bint container = said.kind == ARRAY or said.kind == MAP
    cdef bint final = scan.exact and scan.end - at - scan.slack == 1
    cdef uint64_t head = said.width + (said.kind == EXT)  # bytes of the header after the first
    cdef uint64_t unit = 2 if said.kind == MAP else 1
    cdef uint64_t there = min(<uint64_t>said.width, size - at - 1)
    cdef uint64_t low = said.length, high, field = 0, known
    cdef uint32_t missing
    cdef bint fills
    cdef Status status
    if said.kind == NEVER:
        return refuse(scan, FAULT_NEVER, at)
    if container and scan.depth == DEEPEST:
        return refuse(scan, FAULT_NESTED, at)
    # Byte by byte, so that what is refused, and why, depends on the stream and not on its cuts.
    for known in range(there + 1):
        missing = 8 * (said.width - known)
        if known:
            field = field << 8 | data[at + known]
        if said.width:
            low = field << missing
        high = low | ((<uint64_t>1 << missing) - 1)
        if head + low * unit > scan.slack:
            scan.kind = <Kind>said.kind
            scan.low = low
            scan.high = high
            return refuse(scan, FAULT_PAST, at)
        # A container that is not empty fills any space its first element (or pair) fits into.
        fills = low or (high and head + unit <= scan.slack) if container else head + high >= scan.slack
        if final and head < scan.slack and not fills:
            return refuse(scan, FAULT_SHORT, at)
    if there < said.width:
        return MORE
    if said.kind == EXT:
        status = check_ext(scan, data, size, at + 1 + said.width, low)
        if status != DONE:
            return status
    scan.slack -= head + low * unit
    scan.at += 1 + head
    scan.left -= 1
    if not container:
        scan.body = low
        scan.text = said.kind == STR and scan.invalid != PASS and not scan.spoilt
    elif low:
        scan.stack[scan.depth] = scan.left
        scan.depth += 1
        scan.left = low * unit
    return DONE


cdef Status check_ext(
    Scan* scan, const uint8_t* data, uint64_t size, uint64_t code, uint64_t length
) noexcept:
    """Checks the type at `data[code]`, and a timestamp's nanoseconds; MORE if part of them is missing."""
    cdef uint64_t least = 0, known, there
    if code >= size:
        return MORE
    if data[code] != 0xFF or length == 4:
        return DONE
    if length != 8 and length != 12:
        return spoil(scan, FAULT_TIMESTAMP, scan.at, length)
    there = min(<uint64_t>4, size - code - 1)
    for known in range(4):
        least = least << 8 | (data[code + 1 + known] if known < there else 0)
    # In 8 bytes the nanoseconds are the upper 30 bits, in 12 the first 32.
    if (least >> 2 if length == 8 else least) > most_nanoseconds:
        return spoil(scan, FAULT_NANOSECONDS, scan.at, 0)
    return DONE if there == 4 else MORE


cdef Status pass_body(Scan* scan, const uint8_t* data, uint64_t size) noexcept:
    """Takes the bytes that are there of a str, bin, ext or number; MORE if some are missing."""
    cdef uint64_t stop = scan.at + min(scan.body, size - scan.at)
    cdef uint64_t reached = stop
    cdef bint wrong = False
    if scan.text:
        reached = pass_text(data, scan.at, stop, scan.at + scan.body, &wrong)
    if wrong:
        if spoil(scan, FAULT_TEXT, reached, 0) == FAULT:
            return FAULT
        scan.text = False
        reached = stop
    scan.body -= reached - scan.at
    scan.at = reached
    return MORE if scan.body else DONE


cdef tuple refused(Scan* scan, uint64_t start, uint64_t max_message):
    """The arguments of a FrameError: the fault, where, and the limit, in a frame that began at `start`."""
    cdef uint64_t at = start + scan.wrong
    if scan.fault == FAULT_NEVER:
        return refusals.NEVER, at, None
    if scan.fault == FAULT_NESTED:
        return refusals.NESTED, at, DEEPEST
    if scan.fault == FAULT_PAST:
        saw = refusals.past(scan.kind, scan.low, scan.high, scan.exact)
        return saw, at, None if scan.exact else max_message
    if scan.fault == FAULT_SHORT:
        return refusals.SHORT, at, None
    if scan.fault == FAULT_TEXT:
        return refusals.NOT_UTF8, at, None
    if scan.fault == FAULT_TIMESTAMP:
        return refusals.timestamp(scan.low), at, None
    if scan.fault == FAULT_NANOSECONDS:
        return refusals.NANOSECONDS, at, most_nanoseconds
    if scan.fault == FAULT_ENDED:
        return refusals.ENDED, at, None
    if scan.high == 0:
        return refusals.EMPTY, at, None
    return refusals.size(MESSAGE, scan.low, scan.high), at, max_message
