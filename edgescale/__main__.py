"""``python -m edgescale`` is the command line."""

from edgescale.cli import main

main()
