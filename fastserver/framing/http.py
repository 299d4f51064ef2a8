"""HTTP requests, as the web pages in a browser can send them to any port that the browser reaches, in each framing.

The patterns match at the beginning of the first frames that a peer sent. The grammar is that of RFC 9112, section 3.
"""

from __future__ import annotations

import re
from typing import Final

LINE: Final = re.compile(rb"(?:[^\n]* HTTP/1\.[01]|PRI \* HTTP/2\.0)\r?\n")
"""The first line of a request, where frames are lines; and how a client begins that knows the server to speak HTTP/2
(RFC 9113, section 3.4).
"""

_BEGINNING: Final = rb"(?:GET|HEAD|POST|PUT|PATCH|DELETE|OPTIONS|CONNECT|TRACE|PRI) [/*h]"

BYTES: Final = re.compile(_BEGINNING)
"""How that line begins, where its bytes are numbers or lengths. Browsers send them together, but more than the
beginning may not be there.
"""

COUNTED: Final = re.compile(rb"[0-9]+ " + _BEGINNING)
"""The beginning of that line, where lines become octet-counted messages."""
