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

    cdef Form form(self):
        return msgpack_stream_form

    def frame(self, payload, /) -> bytes:
        """`payload`, one packed object, as it is; ValueError if it is not one, or over the limit."""
        cdef bytes body = octets(payload)
        check(body, self.limit, self.invalid)
        return body
