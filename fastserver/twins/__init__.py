"""Pure-Python twins of the compiled splitters: the specification, the test oracle, the fallback."""
