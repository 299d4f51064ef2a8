"""Limits: how much a peer may cost, in rate, time and memory."""
