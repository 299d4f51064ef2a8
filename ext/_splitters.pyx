# cython: boundscheck=False, wraparound=False, nonecheck=False, initializedcheck=False, cdivision=True
"""The compiled splitters and `Message`; the Python files of `fastserver.framing` say what they do.

One extension, so that splitters make messages without a Python call, of one file per grammar.
"""

cimport cython
from cpython.buffer cimport PyBUF_SIMPLE, PyBuffer_Release, PyObject_GetBuffer
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_CheckExact, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.mem cimport PyMem_Free, PyMem_Malloc, PyMem_Realloc
from libc.math cimport isfinite, isnan
from libc.stdint cimport int8_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memchr, memcmp, memcpy, memmove, memset, strlen

from collections.abc import Sequence
from os import urandom
from types import GenericAlias

import msgpack

from fastserver.errors import FrameError
from fastserver.framing import refusals
from fastserver.framing.arguments import invalid, limit, octets, skips, stretch
from fastserver.framing.maps import SMALL
from fastserver.framing.msgpackcodec import MSGPACK
from fastserver.framing.scan import HEADS, NANOSECONDS
from fastserver.framing.translation import Translation
from fastserver.framing.translation import translate as translate_slowly

include "buffer.pyx"
include "splitter.pyx"
include "output.pyx"
include "pairs.pyx"
include "packing.pyx"
include "message.pyx"
include "messages.pyx"
include "lines.pyx"
include "delimited.pyx"
include "utf8.pyx"
include "scan.pyx"
include "objects.pyx"
include "msgpack.pyx"
include "msgpack_stream.pyx"
include "jsontimes.pyx"
include "jsonscalars.pyx"
include "jsontext.pyx"
include "jsontags.pyx"
include "jsonstrings.pyx"
include "jsonvalue.pyx"
include "translation.pyx"
include "headed.pyx"
include "counted.pyx"
include "prefixed.pyx"
include "syslog.pyx"
include "telnetform.pyx"
include "telnet.pyx"
