"""`python -m fastserver`."""

from fastserver.cli import main

main()
