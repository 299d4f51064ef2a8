# A message, and the form of its frame. The twins are fastserver/framing/message.py and form.py.


@cython.no_gc
@cython.auto_pickle(False)
cdef class Form:
    """The form of frames whose payloads are bytes; here with nothing around them."""

    cdef bint escaped  # what lies between head and tail is not the payload itself, but stands for it
    cdef bint writes  # True if `write` can write

    cdef void bounds(self, const char* frame, Py_ssize_t size, Py_ssize_t* head, Py_ssize_t* tail) noexcept:
        """Tells how many bytes of a frame, complete, are before its payload and behind it."""
        head[0] = tail[0] = 0

    cdef bytes payload(self, const char* body, Py_ssize_t size):
        """The payload that stands between head and tail, where it is not the payload itself (`escaped`)."""
        return PyBytes_FromStringAndSize(body, size)

    cdef int write(self, Output* out, const uint8_t* payload, uint64_t size, uint64_t limit) except -1:
        """Writes the frame of a payload that comes from another framing, with escapes where that is done.

        REFUSED if no frame can have it, or if it is more than `limit` bytes.
        """
        return REFUSED

    cdef object value(self, bytes payload, object peer):
        """The value that `payload`, which `peer` sent, stands for."""
        return payload


@cython.final
@cython.freelist(512)
@cython.auto_pickle(False)
cdef class Message:
    """A message as a handler gets it, made by `Splitter.messages`; its attributes are read-only.

    `peer` is its sender, as given to `messages`. A message keeps the frames it came with alive, and
    cuts its own bytes out of them only when asked.
    """

    cdef readonly object peer
    """The sender."""
    cdef bytes frames
    cdef Py_ssize_t start, end
    cdef Form form
    cdef bytes cut  # the payload, once it was asked for
    cdef object made  # the value, once it was asked for

    def __init__(self):
        raise TypeError("a Message is made by a splitter's messages()")

    @classmethod
    def __class_getitem__(cls, peer):
        """For annotations: `Message[Client]`."""
        return GenericAlias(cls, peer)

    @property
    def frame(self) -> bytes:
        """Its wire form, framing included, as it came."""
        return self.slice(0, 0)

    @property
    def payload(self) -> bytes:
        """Its bytes without framing."""
        return self.body()

    @property
    def value(self):
        """The value of a msgpack payload, decoded at the first use; of a line, the payload.

        Text that is not UTF-8, which `invalid_text` may let through, has its bytes as surrogates (the error handler
        `surrogateescape`). Raises ValueError where a map has many keys of nearly the same hash, and what
        `msgpack.unpackb` raises where Python cannot hold the value, such as a map whose key is an array.
        """
        if self.made is None and self.form is not None:
            self.made = self.form.value(self.body(), self.peer)
        return self.made

    def broadcast(self) -> None:
        """Passes it on as it came, by `peer.relay(frames, start, end)`."""
        self.peer.relay(self.frames, self.start, self.end)

    def __repr__(self) -> str:
        payload = self.payload
        shown = payload[:60]
        more = "" if len(payload) <= 60 else f" … of {len(payload)} bytes"
        return f"<Message from {self.peer!r}: {shown!r}{more}>"

    cdef bytes body(self):
        cdef Py_ssize_t head, tail
        if self.form is None:  # made past __init__, by object.__new__
            return b""
        if self.cut is None:
            self.form.bounds(PyBytes_AS_STRING(self.frames) + self.start, self.end - self.start, &head, &tail)
            if self.form.escaped:
                head += self.start
                self.cut = self.form.payload(PyBytes_AS_STRING(self.frames) + head, self.end - tail - head)
            else:
                self.cut = self.slice(head, tail)
        return self.cut

    cdef bytes slice(self, Py_ssize_t head, Py_ssize_t tail):
        """The frame without its first `head` and last `tail` bytes."""
        cdef Py_ssize_t start = self.start + head, end = self.end - tail
        if self.frames is None:
            return b""
        if start == 0 and end == PyBytes_GET_SIZE(self.frames):
            return self.frames
        return PyBytes_FromStringAndSize(PyBytes_AS_STRING(self.frames) + start, end - start)
