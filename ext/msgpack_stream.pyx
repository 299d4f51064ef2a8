# MessagePack objects back to back, nothing between them. The twin is fastserver/framing/msgpack_stream.py.


cdef Form msgpack_stream_form = ObjectForm()


@cython.final
@cython.no_gc
@cython.auto_pickle(False)
cdef class MsgpackStreamSplitter(ObjectSplitter):
    """Cuts a byte stream into msgpack objects of at most `max_message` bytes."""

    cdef Status begin(self, Scan* scan, const uint8_t* data, uint64_t size) noexcept:
        scan_begin(scan, 0, self.limit, False, self.invalid)
        return DONE

    cdef void begin_pass(self) noexcept:
        scan_past_limit(self.scan)

    cdef Status pass_by(self, const uint8_t* chunk, uint64_t size, uint64_t* taken) except *:
        cdef Scan* scan = self.scan
        cdef Status status = MORE
        cdef uint64_t held, took
        while status == MORE and taken[0] < size:
            held = self.buffer.size
            if held:
                buffer_append(&self.buffer, chunk + taken[0], min(size - taken[0], <uint64_t>HEAD), 2 * HEAD)
                status = scan_run(scan, self.buffer.bytes, self.buffer.size)
            else:
                status = scan_run(scan, chunk + taken[0], size - taken[0])
            if status == FAULT:
                return FAULT
            took = scan.at
            self.offset += took
            scan_shift(scan)
            if took < held or (status == MORE and not held):
                # The rest is the beginning of a head.
                if held:
                    self.buffer.size -= took
                    memmove(self.buffer.bytes, self.buffer.bytes + took, self.buffer.size)
                elif took < size - taken[0]:
                    buffer_append(&self.buffer, chunk + taken[0] + took, size - taken[0] - took, HEAD)
                taken[0] = size
            else:
                taken[0] += took - held
                buffer_clear(&self.buffer)
        return status

    cdef Form form(self):
        return msgpack_stream_form

    def frame(self, payload, /) -> bytes:
        """`payload`, one packed object, as it is; ValueError if it is not one, or over the limit."""
        cdef bytes body = octets(payload)
        check(body, self.limit, self.invalid)
        return body
