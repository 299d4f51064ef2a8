"""Configuration: every setting once."""

from fastserver.config.config import SETTINGS, Config

__all__ = ["SETTINGS", "Config"]
