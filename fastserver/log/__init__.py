"""Log: what the server says, on standard error or to the program's own logging."""
