"""Adapters: one file per family of exports, registered under the entry-point group ``allostat.adapters``."""
