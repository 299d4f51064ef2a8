# MessagePack with a length: 4 bytes, big-endian, then one object of exactly that many bytes.
# The twin is fastserver/framing/msgpack.py.

cdef enum:
    PREFIX = 4


@cython.final
@cython.no_gc
@cython.auto_pickle(False)
cdef class PrefixedForm(ObjectForm):
    """The length, then the payload."""

    cdef void bounds(self, const char* frame, Py_ssize_t size, Py_ssize_t* head, Py_ssize_t* tail) noexcept:
        head[0] = PREFIX
        tail[0] = 0

    cdef int write(self, Output* out, const uint8_t* payload, uint64_t size, uint64_t limit) except -1:
        cdef uint8_t* to = NULL
        if size <= limit and size <= 0xFFFFFFFF:
            to = room(out, PREFIX + size)
        if to == NULL:
            return REFUSED
        memcpy(write_number(to, size, PREFIX), payload, size)
        out.size += PREFIX + size
        return WRITTEN


cdef Form msgpack_form = PrefixedForm()


@cython.final
@cython.no_gc
@cython.auto_pickle(False)
cdef class MsgpackSplitter(ObjectSplitter):
    """Cuts a byte stream into length-prefixed msgpack objects of at most `max_message` bytes."""

    cdef Status begin(self, Scan* scan, const uint8_t* data, uint64_t size) noexcept:
        cdef uint64_t low = 0, known, missing
        for known in range(1, min(<uint64_t>PREFIX, size) + 1):
            missing = 8 * (PREFIX - known)
            low |= <uint64_t>data[known - 1] << missing
            if low > self.limit or (low == 0 and known == PREFIX):
                scan.low = low
                scan.high = low | ((<uint64_t>1 << missing) - 1)
                return refuse(scan, FAULT_MESSAGE, 0)
        if size < PREFIX:
            return MORE
        scan_begin(scan, PREFIX, PREFIX + low, True, self.invalid)
        return DONE

    cdef void begin_pass(self) noexcept:
        self.scan.left = 1  # the length is still to be read
        self.scan.body = 0

    cdef Status pass_by(self, const uint8_t* chunk, uint64_t size, uint64_t* taken) except *:
        cdef Scan* scan = self.scan
        cdef uint64_t take
        cdef uint64_t known
        if scan.left:
            take = min(PREFIX - self.buffer.size, size - taken[0])
            buffer_append(&self.buffer, chunk + taken[0], take, PREFIX)
            taken[0] += take
            if self.buffer.size < PREFIX:
                return MORE
            for known in range(<uint64_t>PREFIX):
                scan.body = scan.body << 8 | self.buffer.bytes[known]
            scan.left = 0
            self.offset += PREFIX
            buffer_clear(&self.buffer)
        take = min(scan.body, size - taken[0])
        scan.body -= take
        taken[0] += take
        self.offset += take
        return MORE if scan.body else DONE

    cdef Form form(self):
        return msgpack_form

    cdef uint64_t wanted(self, Scan* scan) noexcept:
        return scan.end or PREFIX

    def frame(self, payload, /) -> bytes:
        """`payload`, one packed object, after its length; ValueError if it is not one or over the limit."""
        cdef bytes body = octets(payload)
        check(body, min(self.limit, <uint64_t>0xFFFFFFFF), self.invalid)
        return PyBytes_GET_SIZE(body).to_bytes(PREFIX, "big") + body
