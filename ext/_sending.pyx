# cython: boundscheck=False, wraparound=False, cdivision=True
"""Sends a batch to many sockets at once, beneath their transports. `fastserver.fanout.sending` says what it does."""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from cpython.exc cimport PyErr_Clear
from cpython.ref cimport Py_DECREF, PyObject
from libc.errno cimport EAGAIN, EFAULT, EINTR, ENOMEM, errno
from libc.string cimport memset

from fastserver.fanout.member cimport Member


cdef extern from *:
    """
    #include <sys/socket.h>
    #include <sys/uio.h>
    #ifndef MSG_NOSIGNAL  /* where there is none, Python ignores SIGPIPE anyway */
    #define MSG_NOSIGNAL 0
    #endif
    """


cdef extern from "<sys/socket.h>" nogil:
    cdef struct iovec:
        void* iov_base
        size_t iov_len
    cdef struct msghdr:
        iovec* msg_iov
        size_t msg_iovlen
    enum:
        MSG_DONTWAIT
        MSG_NOSIGNAL
    ssize_t sendmsg(int descriptor, const msghdr* message, int flags)
    ssize_t send(int descriptor, const void* data, size_t size, int flags)


cdef extern from "Python.h":
    PyObject* PyObject_CallMethodNoArgs(PyObject* object, PyObject* name)  # which leaves it to us to see to an exception


cdef str IS_CLOSING = "is_closing"


def send_all(dict ready, bytes blob):
    """Sends `blob` to all of `ready`. Gives each member that did not take all of its own with how many bytes it took, or
    with the negative error number of a send that failed. Raises only before anything is sent."""
    cdef const char* data = PyBytes_AS_STRING(blob)
    cdef Py_ssize_t size = PyBytes_GET_SIZE(blob)
    cdef Py_ssize_t wanted
    cdef ssize_t taken
    cdef Member member
    cdef list rest = None  # not made for nothing
    for member, transport in ready.items():
        wanted = size
        if member.own_end:
            if member.own_start < 0 or member.own_start > member.own_end or member.own_end > size:
                rest = note(rest, member, -EFAULT)  # of another batch: there is no telling what is its own
                continue
            wanted -= member.own_end - member.own_start
        if not wanted:
            continue
        # A transport that is closing may have closed its socket, and the number may be another's already.
        if member.descriptor < 0 or member.own_more is not None or is_closing(transport):
            taken = 0
        elif member.own_end:
            taken = send_without(member.descriptor, data, size, member.own_start, member.own_end)
        else:
            taken = send(member.descriptor, data, size, MSG_DONTWAIT | MSG_NOSIGNAL)
        if taken != wanted:
            rest = note(rest, member, taken if taken >= 0 else refusal())
    return () if rest is None else rest


cdef list note(list rest, Member member, ssize_t taken):
    """Gives `rest` with what `member` took; where there is no memory to note it, nothing is ever written to it again.
    """
    try:
        if rest is None:
            return [(member, taken)]
        rest.append((member, taken))
        return rest
    except BaseException:
        member.descriptor = -1
    try:
        member.peer.link.error = ENOMEM
        if rest is None:
            return [(member, -ENOMEM)]
        rest.append((member, -ENOMEM))
    except BaseException:
        pass
    return rest


cdef inline bint is_closing(transport) noexcept:
    """Whether `transport` is closing, or cannot say. To `try` instead takes 50 instructions more of the 500 that it
    costs us to send to a peer."""
    cdef PyObject* answer = PyObject_CallMethodNoArgs(<PyObject*>transport, <PyObject*>IS_CLOSING)
    if answer == NULL:
        PyErr_Clear()
        return True
    cdef bint closing = <object>answer is not False
    Py_DECREF(<object>answer)
    return closing


cdef inline ssize_t refusal() noexcept nogil:
    """The negative error number of the last send; 0 if it only found no room."""
    return 0 if errno == EAGAIN or errno == EINTR else -errno


cdef inline ssize_t send_without(
    int descriptor, const char* data, size_t size, size_t first, size_t last
) noexcept nogil:
    """Send `data` without its bytes from `first` to `last`. Gives what send(2) gives."""
    cdef iovec parts[2]
    cdef msghdr message
    if first == 0:
        return send(descriptor, data + last, size - last, MSG_DONTWAIT | MSG_NOSIGNAL)
    if last == size:
        return send(descriptor, data, first, MSG_DONTWAIT | MSG_NOSIGNAL)
    parts[0] = iovec(<void*>data, first)
    parts[1] = iovec(<void*>(data + last), size - last)
    memset(&message, 0, sizeof(message))
    message.msg_iov = parts
    message.msg_iovlen = 2
    return sendmsg(descriptor, &message, MSG_DONTWAIT | MSG_NOSIGNAL)
