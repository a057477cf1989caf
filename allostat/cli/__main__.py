"""``python -m allostat.cli``."""

from allostat.cli import main

main()
