"""Errors of a load."""

from __future__ import annotations

from fastserver.errors import FastserverError


class LoadError(FastserverError):
    """A load could not be made; the text says why, in one line."""
