"""Framing: bytes to messages to values, and back. One grammar per file."""

from fastserver.framing.framing import FRAMINGS, Framing, Message, Messages, Splitter

__all__ = ["FRAMINGS", "Framing", "Message", "Messages", "Splitter"]
