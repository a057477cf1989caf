"""Links to straps are found through entry points."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.metadata import EntryPoint

import pytest

from allostat.errors import ConfigError, InputError
from allostat.live import links


@pytest.fixture(autouse=True)
def _anew() -> Iterator[None]:
    links.links.cache_clear()
    yield
    links.links.cache_clear()


def registered(monkeypatch: pytest.MonkeyPatch, *values: str) -> None:
    points = [EntryPoint(f"link{i}", value, links.GROUP) for i, value in enumerate(values)]
    monkeypatch.setattr(links, "entry_points", lambda group: points)


def test_the_bluetooth_link_is_there() -> None:
    assert "ble" in links.links()
    with pytest.raises(ConfigError, match="nearest valid: 'ble'"):
        links.link_named("bel")


def test_an_installation_without_any_link_is_not_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    registered(monkeypatch)
    with pytest.raises(InputError, match="no link to straps is registered: reinstall"):
        links.links()


@pytest.mark.parametrize(
    ("value", "said"), [("no_such_module:LINK", "cannot be loaded"), ("json:dumps", "is no link to straps")]
)
def test_an_entry_point_that_is_no_link_is_named(value: str, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    registered(monkeypatch, value)
    with pytest.raises(InputError, match=said):
        links.links()
