"""Listeners: where connections are accepted."""
