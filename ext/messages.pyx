# Messages as a sequence, and one at a time. The compiled twin of fastserver/framing/messages.py.


cdef extern from "Python.h":
    Py_ssize_t Py_REFCNT(object)
    void PyObject_GC_Track(object)
    void PyObject_GC_UnTrack(object)


cdef class OneByOne


@cython.final
@cython.freelist(8)
@cython.auto_pickle(False)
cdef class Messages:
    """The messages of some frames, made by `Splitter.messages`: a sequence that makes them when first looked into."""

    cdef object peer
    cdef bytes frames
    cdef Py_ssize_t start  # of the first frame
    cdef Py_ssize_t* ends  # of each frame
    cdef Py_ssize_t size, room
    cdef Form form
    cdef list made

    def __init__(self):
        raise TypeError("Messages are made by a splitter's messages()")

    def __dealloc__(self):
        PyMem_Free(self.ends)

    cdef inline int append(self, Py_ssize_t end) except -1:
        if self.size == self.room:
            self.grow()
        self.ends[self.size] = end
        self.size += 1
        return 0

    cdef int grow(self) except -1:
        cdef Py_ssize_t room = 2 * self.room or 1
        cdef Py_ssize_t* ends = <Py_ssize_t*>PyMem_Realloc(self.ends, room * sizeof(Py_ssize_t))
        if ends == NULL:
            raise MemoryError
        self.ends = ends
        self.room = room
        return 0

    cdef inline void put(self, Py_ssize_t index, Message into):
        """Makes `into`, which is new or was reset, the message at `index`."""
        into.start = self.ends[index - 1] if index else self.start
        into.end = self.ends[index]

    cdef inline Message make(self, Py_ssize_t index):
        cdef Message made = Message.__new__(Message)
        made.peer = self.peer
        made.frames = self.frames
        made.form = self.form
        self.put(index, made)
        return made

    cdef list all(self):
        cdef Py_ssize_t index
        cdef list made = self.made
        if made is None:
            made = [None] * self.size
            for index in range(self.size):
                made[index] = self.make(index)
            self.made = made
        return made

    @property
    def end(self) -> int:
        """End of the last message in the frames, in bytes."""
        return self.ends[self.size - 1] if self.size else self.start

    def one_by_one(self):
        """Gives each once, in order, and keeps none: less work than iteration where they are not needed again."""
        cdef OneByOne found = OneByOne.__new__(OneByOne)
        found.messages = self
        return found

    def __len__(self) -> int:
        return self.size

    def __iter__(self):
        return iter(self.all())

    def __getitem__(self, index):
        return self.all()[index]

    def __contains__(self, message) -> bool:
        return message in self.all()

    def __reversed__(self):
        return reversed(self.all())

    def __repr__(self) -> str:
        return repr(self.all())

    def index(self, message, *between) -> int:
        return self.all().index(message, *between)

    def count(self, message) -> int:
        return self.all().count(message)


Sequence.register(Messages)


cdef Messages messages_of(object peer, bytes frames, Py_ssize_t start, Form form):
    cdef Messages made = Messages.__new__(Messages)
    made.peer = peer
    made.frames = frames
    made.start = start
    made.form = form
    return made


@cython.final
@cython.no_gc_clear
@cython.freelist(8)
@cython.auto_pickle(False)
cdef class OneByOne:
    """Iterates over messages and makes each as it comes, out of the one before the last if nobody kept that."""

    cdef Messages messages
    cdef Py_ssize_t next
    # The garbage collector is told of a message when somebody turns out to have kept it. Until then it sees one
    # reference too many to what the message refers to, and so takes that for in use.
    cdef Message last, before

    def __dealloc__(self):
        if self.before is not None:
            PyObject_GC_Track(self.before)
        if self.last is not None:
            PyObject_GC_Track(self.last)

    def __iter__(self):
        return self

    def __next__(self) -> Message:
        cdef Message message = self.before
        cdef Messages messages = self.messages
        if messages is None or self.next == messages.size:  # None: made past `one_by_one`
            raise StopIteration
        self.before = self.last
        if message is not None and Py_REFCNT(message) == 1:  # the reference is `message`
            message.cut = None
            message.made = None
            messages.put(self.next, message)
        else:
            if message is not None:
                PyObject_GC_Track(message)
            message = messages.make(self.next)
            PyObject_GC_UnTrack(message)
        self.last = message
        self.next += 1
        return message
