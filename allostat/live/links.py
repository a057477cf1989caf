"""Links to straps, found through entry points (group ``allostat.straps``): the only way from a session to a radio."""

from __future__ import annotations

from functools import lru_cache
from importlib.metadata import entry_points

from allostat.errors import ConfigError, InputError
from allostat.strap import GROUP, StrapLink


@lru_cache(maxsize=1)
def links() -> dict[str, StrapLink]:
    """All installed links by name.

    Raises
    ------
    InputError
        When there is none, or an entry point does not load or is no link; the message names it.
    """
    found: dict[str, StrapLink] = {}
    for point in entry_points(group=GROUP):
        try:
            link = point.load()
        except (ImportError, AttributeError) as error:
            raise InputError(
                f"link to straps cannot be loaded ({error})", where=f"entry point {point.name} = {point.value}"
            ) from error
        if not isinstance(link, StrapLink):
            raise InputError("is no link to straps", where=f"entry point {point.value}")
        found[link.name] = link
    if not found:
        raise InputError("no link to straps is registered: reinstall allostat-load", where=f"entry points {GROUP}")
    return dict(sorted(found.items()))


def link_named(name: str) -> StrapLink:
    """The link of a name.

    Raises
    ------
    ConfigError
        There is none.
    """
    link = links().get(name)
    if link is None:
        raise ConfigError("no such link to straps", found=name, valid=links())
    return link
