"""Framing: bytes to messages to values, and back. One grammar per file."""

from fastserver.framing.framing import Framing, Splitter
from fastserver.framing.registry import FRAMINGS, Message, Messages

__all__ = ["FRAMINGS", "Framing", "Message", "Messages", "Splitter"]
