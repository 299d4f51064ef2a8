"""Fan-out: messages to everyone, in one order."""
