"""The Jinja2 environment of the pages: autoescape on everything, undefined names are errors."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from allostat import __version__

if TYPE_CHECKING:
    from jinja2 import Environment


@cache
def _environment() -> Environment:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    return Environment(
        loader=PackageLoader("allostat.report", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def render(name: str, **values: Any) -> str:
    """A page from its template. Every value is escaped unless it is `markupsafe.Markup` made by this room."""
    return _environment().get_template(name).render(version=__version__, **values)
