# The frames of Telnet, in which two bytes of some pairs stand for one of the payload. Twin: fastserver/framing/telnet.py.

cdef enum:
    SE = 0xF0
    SB = 0xFA
    WILL = 0xFB
    WONT = 0xFC
    DO = 0xFD
    DONT = 0xFE
    IAC = 0xFF


@cython.final
@cython.no_gc
@cython.auto_pickle(False)
cdef class TelnetForm(LinesForm):
    """Lines with CR LF at their ends, IAC doubled and NUL behind each CR."""

    def __cinit__(self):
        self.escaped = True

    cdef bytes payload(self, const char* body, Py_ssize_t size):
        cdef const uint8_t* line = <const uint8_t*>body
        cdef bytes made
        cdef char* to
        cdef Py_ssize_t at = 0, pairs = 0
        if memchr(line, IAC, size) == NULL and memchr(line, CR, size) == NULL:
            return PyBytes_FromStringAndSize(body, size)
        while at < size:
            if is_pair(line, at, size):
                pairs += 1
                at += 1
            at += 1
        made = PyBytes_FromStringAndSize(NULL, size - pairs)
        to = PyBytes_AS_STRING(made)
        at = 0
        while at < size:
            to[0] = line[at]
            to += 1
            at += 2 if is_pair(line, at, size) else 1
        return made

    cdef int write(self, Output* out, const uint8_t* payload, uint64_t size, uint64_t limit) except -1:
        cdef uint64_t before = out.size, more, at
        cdef uint8_t* to
        if put_line(out, payload, size, limit) == REFUSED:
            return REFUSED
        more = count_byte(payload, size, IAC)
        if more:
            if room(out, more) == NULL:
                return REFUSED
            at = out.size
            out.size += more
            to = out.bytes + out.size
            while at > before:
                at -= 1
                to -= 1
                to[0] = out.bytes[at]
                if to[0] == IAC:
                    to -= 1
                    to[0] = IAC
        return put(out, b"\r\n", 2)


cdef inline bint is_pair(const uint8_t* line, Py_ssize_t at, Py_ssize_t size) noexcept:
    """True if two bytes of a line stand for one."""
    if at + 1 >= size:
        return False
    return (line[at] == IAC and line[at + 1] == IAC) or (line[at] == CR and line[at + 1] == NUL)


cdef Form telnet_form = TelnetForm()
