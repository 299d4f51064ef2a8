"""Clients: the other end of a connection."""

from fastserver.client.client import Client, connect

__all__ = ["Client", "connect"]
