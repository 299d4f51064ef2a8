"""The wires of rivals that have protocols of their own. All use one subject, channel or topic: `f`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from fastserver.load.wire import Cut, Role, Wire


@dataclass(frozen=True)
class NatsWire(Wire):
    """NATS core: text control lines, then the payload, CRLF behind both."""

    name: str = "nats"
    ping: bytes = b"PING\r\n"
    pong: bytes = b"PONG\r\n"

    def hello(self, role: Role, number: int) -> bytes:
        connect = b'CONNECT {"verbose":false,"pedantic":false,"echo":false}\r\n'
        return connect + (b"SUB f 1\r\n" if role is not Role.SEND else b"") + b"PING\r\n"

    def ready(self, role: Role, received: bytes) -> bool:
        if b"-ERR" in received:
            raise ValueError(f"refused: {received[received.index(b'-ERR') :]!r}")
        return received.startswith(b"INFO ") and b"\r\nPONG\r\n" in received

    def publish(self, payload: bytes) -> bytes:
        return b"PUB f %d\r\n%b\r\n" % (len(payload), payload)

    def deliver(self, payload: bytes) -> bytes:
        return b"MSG f 1 %d\r\n%b\r\n" % (len(payload), payload)

    def cut(self) -> Cut:
        return _cut(re.compile(rb"MSG f 1 (\d+)\r\n"), len(b"\r\n"))


@dataclass(frozen=True)
class RedisWire(Wire):
    """RESP3, in which one connection may publish and subscribe. Replies are off: the server need not write them."""

    name: str = "redis"
    echo: bool = True

    def hello(self, role: Role, number: int) -> bytes:
        if role is Role.SEND:
            return b"PING\r\nCLIENT REPLY OFF\r\n"
        return b"HELLO 3\r\nCLIENT REPLY OFF\r\nSUBSCRIBE f\r\n"

    def ready(self, role: Role, received: bytes) -> bool:
        if received.startswith(b"-"):
            raise ValueError(f"refused: {received!r}")
        return received.endswith(b"+PONG\r\n" if role is Role.SEND else b"$9\r\nsubscribe\r\n$1\r\nf\r\n:1\r\n")

    def publish(self, payload: bytes) -> bytes:
        return b"*3\r\n$7\r\nPUBLISH\r\n$1\r\nf\r\n$%d\r\n%b\r\n" % (len(payload), payload)

    def deliver(self, payload: bytes) -> bytes:
        return b">3\r\n$7\r\nmessage\r\n$1\r\nf\r\n$%d\r\n%b\r\n" % (len(payload), payload)

    def cut(self) -> Cut:
        return _cut(re.compile(rb">3\r\n\$7\r\nmessage\r\n\$1\r\nf\r\n\$(\d+)\r\n"), len(b"\r\n"))


@dataclass(frozen=True)
class MqttWire(Wire):
    """MQTT 5 at QoS 0; with `no local` a sender does not receive its own messages."""

    name: str = "mqtt"

    def hello(self, role: Role, number: int) -> bytes:
        # Clean start, no keepalive, no properties, and a client identifier that the server makes.
        connect = b"\x10\x0d\x00\x04MQTT\x05\x02\x00\x00\x00\x00\x00"
        subscribe = b"\x82\x07\x00\x01\x00\x00\x01f\x04"  # packet 1, no properties, `f`, QoS 0 and no local
        return connect + (subscribe if role is not Role.SEND else b"")

    def ready(self, role: Role, received: bytes) -> bool:
        if len(received) < 4:
            return False
        if received[0] != 0x20 or received[3]:
            raise ValueError(f"refused: {received!r}")
        acknowledged = 2 + received[1]
        return len(received) >= acknowledged + (6 if role is not Role.SEND else 0)

    def publish(self, payload: bytes) -> bytes:
        length = len(payload) + 4
        digits = []
        while length > 127:
            digits.append(length & 127 | 128)
            length >>= 7
        return b"\x30" + bytes([*digits, length]) + b"\x00\x01f\x00" + payload

    def cut(self) -> Cut:
        held = b""

        def cut(data: bytes) -> list[bytes]:
            nonlocal held
            data = held + data
            payloads = []
            at = 0
            while True:
                length, shift, begin = 0, 0, at + 1
                while begin < len(data):
                    digit = data[begin]
                    length |= (digit & 127) << shift
                    begin += 1
                    shift += 7
                    if digit < 128:
                        break
                else:
                    break
                if len(data) < begin + length:
                    break
                if data[at] != 0x30 or data[begin : begin + 4] != b"\x00\x01f\x00":
                    raise ValueError(f"not a message: {data[at : begin + 4]!r}")
                payloads.append(data[begin + 4 : begin + length])
                at = begin + length
            held = data[at:]
            return payloads

        return cut


def _cut(header: re.Pattern[bytes], behind: int) -> Cut:
    """Cuts a stream of frames: `header`, whose group is the size of the payload, the payload, `behind` bytes."""
    held = b""

    def cut(data: bytes) -> list[bytes]:
        nonlocal held
        held += data
        payloads = []
        at = 0
        while found := header.match(held, at):
            end = found.end() + int(found[1])
            if len(held) < end + behind:
                break
            payloads.append(held[found.end() : end])
            at = end + behind
        held = held[at:]
        if len(held) > 64 and not header.match(held):
            raise ValueError(f"not a message: {held[:64]!r}")
        return payloads

    return cut


NATS: Final = NatsWire()
REDIS: Final = RedisWire()
MQTT: Final = MqttWire()
