# cython: boundscheck=False, wraparound=False, nonecheck=False, initializedcheck=False, cdivision=True
"""The compiled twin of `fastserver.framing.crowded`: an extension of its own, since messages need it to decode."""

from cpython.mem cimport PyMem_Free, PyMem_Malloc

from fastserver.framing.crowded import COMPARISON, SHIFT, SMALLEST, STEPS

cdef extern from "Python.h":
    Py_hash_t PyObject_Hash(object) except? -1
    bint PyObject_RichCompareBool(object, object, int) except -1

cdef enum:
    NOWHERE = -1

cdef Py_ssize_t steps_for_each = STEPS, comparison = COMPARISON, smallest = SMALLEST
cdef int shift = SHIFT

cdef struct Table:
    Py_ssize_t* places  # the index of the key there, or NOWHERE
    size_t size
    Py_hash_t* hashes  # of the keys in it, as they came
    Py_ssize_t* keys  # their indexes
    Py_ssize_t count
    Py_ssize_t left  # steps


cdef int resize(Table* table, size_t size) except -1:
    """Makes the table `size` places large, and gives every key in it a new place."""
    cdef Py_ssize_t index
    cdef size_t at, more
    PyMem_Free(table.places)
    table.places = <Py_ssize_t*>PyMem_Malloc(size * sizeof(Py_ssize_t))
    if table.places == NULL:
        raise MemoryError
    table.size = size
    for at in range(size):
        table.places[at] = NOWHERE
    for index in range(table.count):
        more = <size_t>table.hashes[index]
        at = more & (size - 1)
        while table.places[at] != NOWHERE and table.left >= 0:
            table.left -= 1
            more >>= shift
            at = (5 * at + more + 1) & (size - 1)
        table.places[at] = index
    return 0


cdef int put(Table* table, list keys, Py_ssize_t index) except -1:
    cdef Py_hash_t number = PyObject_Hash(keys[index])
    cdef size_t more = <size_t>number, at
    cdef Py_ssize_t there
    if table.count == <Py_ssize_t>(2 * table.size // 3):
        resize(table, 2 * table.size)
    at = more & (table.size - 1)
    while table.left >= 0:
        there = table.places[at]
        if there == NOWHERE:
            table.places[at] = table.count
            table.hashes[table.count] = number
            table.keys[table.count] = index
            table.count += 1
            return 0
        table.left -= 1
        if table.hashes[there] == number:
            if PyObject_RichCompareBool(keys[table.keys[there]], keys[index], 2):  # Py_EQ
                return 0
            table.left -= comparison
        more >>= shift
        at = (5 * at + more + 1) & (table.size - 1)
    return 0


def crowded(list keys not None) -> bool:
    """True if putting `keys` into a dict takes more than `STEPS` steps for each. TypeError if one has no hash."""
    cdef Table table
    cdef Py_ssize_t index, size = len(keys)
    table.places = NULL
    table.count = 0
    table.left = steps_for_each * size
    table.hashes = <Py_hash_t*>PyMem_Malloc(size * sizeof(Py_hash_t))
    table.keys = <Py_ssize_t*>PyMem_Malloc(size * sizeof(Py_ssize_t))
    try:
        if table.hashes == NULL or table.keys == NULL:
            raise MemoryError
        resize(&table, smallest)
        for index in range(size):
            put(&table, keys, index)
            if table.left < 0:
                return True
        return False
    finally:
        PyMem_Free(table.places)
        PyMem_Free(table.hashes)
        PyMem_Free(table.keys)
