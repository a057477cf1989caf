"""The multiverse of the index: every defensible combination of choices, and which choice matters most."""

from allostat.allostatic_load.multiverse.analysis import multiverse
from allostat.allostatic_load.multiverse.grid import MultiverseGrid, grid_from, grid_names, load_grid

__all__ = ["MultiverseGrid", "grid_from", "grid_names", "load_grid", "multiverse"]
