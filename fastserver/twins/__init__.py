"""Pure-Python twins of what is compiled: the specification, the test oracle, the fallback."""
