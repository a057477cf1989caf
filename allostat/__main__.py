"""``python -m allostat``."""

from allostat.cli import main

main()
