"""`python -m noidchecks`: the command noidchecks, where no folder of its own is in the PATH."""

from .cli import main

main()
