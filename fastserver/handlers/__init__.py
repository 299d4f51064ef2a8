"""Handlers: the program's own code, called for messages and for peers that come and go."""
