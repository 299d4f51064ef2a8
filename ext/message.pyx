# The compiled twin of fastserver/framing/message.py.


cdef object unpackb = msgpack.unpackb
cdef Py_ssize_t small = maps.SMALL


@cython.final
@cython.freelist(512)
@cython.auto_pickle(False)
cdef class Message:
    """One message as a handler gets it, made by `Splitter.messages`; its attributes are read-only.

    `peer` is who sent it, as given to `messages`. A message keeps the frames it came with alive, and
    cuts its own bytes out of them only when asked.
    """

    cdef readonly object peer
    """Who sent it."""
    cdef bytes frames
    cdef Py_ssize_t start, end
    cdef uint8_t head, tail
    cdef bint packed
    cdef object made  # at its first use: the payload of a line, the value of a msgpack message

    def __init__(self):
        raise TypeError("a Message is made by a splitter's messages()")

    @classmethod
    def __class_getitem__(cls, peer):
        """For annotations: `Message[Client]`."""
        return GenericAlias(cls, peer)

    cdef bytes slice(self, Py_ssize_t start, Py_ssize_t end):
        if self.frames is None:  # made past __init__, by object.__new__
            return b""
        if start == 0 and end == PyBytes_GET_SIZE(self.frames):
            return self.frames
        return PyBytes_FromStringAndSize(PyBytes_AS_STRING(self.frames) + start, end - start)

    @property
    def frame(self) -> bytes:
        """Its wire form, framing included, as it came."""
        return self.slice(self.start, self.end)

    @property
    def payload(self) -> bytes:
        """Its bytes without framing."""
        if self.packed:
            return self.slice(self.start + self.head, self.end - self.tail)
        if self.made is None:
            self.made = self.slice(self.start + self.head, self.end - self.tail)
        return self.made

    @property
    def value(self):
        """What a msgpack payload says, decoded at the first use; of a line, the payload.

        Text that is not UTF-8, which `invalid_text` may let through, has its bytes as surrogates (the error handler
        `surrogateescape`). Raises ValueError where a map has many keys of nearly the same hash, and what
        `msgpack.unpackb` raises where Python cannot hold the value, such as a map whose key is an array.
        """
        if not self.packed:
            return self.payload
        if self.made is None:
            self.made = self.unpack(self.slice(self.start + self.head, self.end - self.tail))
        return self.made

    cdef unpack(self, bytes payload):
        hook = getattr(self.peer, "ext_hook", None)
        if hook is not None:
            return maps.unpacked(payload, maps.as_dict, ext_hook=hook)
        if PyBytes_GET_SIZE(payload) > small:
            return maps.unpack(payload)
        try:
            return unpackb(payload, strict_map_key=False)
        except UnicodeDecodeError:
            return maps.unpack(payload)

    def broadcast(self) -> None:
        """Passes it on as it came, by `peer.relay(frames, start, end)`."""
        self.peer.relay(self.frames, self.start, self.end)

    def __repr__(self) -> str:
        payload = self.payload
        shown = payload[:60]
        more = "" if len(payload) <= 60 else f" … of {len(payload)} bytes"
        return f"<Message from {self.peer!r}: {shown!r}{more}>"
