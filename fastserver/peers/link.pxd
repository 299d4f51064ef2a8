# The types of fastserver/peers/link.py, which is compiled as fastserver.peers.link.


cdef class Link:
    cdef public object transport, _given, _owner
    cdef public int descriptor, error
    cdef public bint finished
