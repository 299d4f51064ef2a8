"""Process: the operating system's side of a server that runs by itself."""
