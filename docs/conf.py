"""Sphinx configuration."""

from __future__ import annotations

from allostat import __version__

project = "allostat"
author = "The allostat developers"
version = release = __version__
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
source_suffix = {".md": "markdown"}
exclude_patterns = ["_build"]
html_theme = "furo"
html_title = f"allostat {__version__}"
autodoc_typehints = "signature"
autodoc_member_order = "bysource"
default_role = "code"
napoleon_google_docstring = False
napoleon_use_rtype = False
napoleon_use_ivar = True  # attributes of a docstring and of the class are described once
