"""``allostat doctor`` says where compiled kernels are kept."""

from __future__ import annotations

import pytest

from allostat.cli.doctor import CHECKS
from allostat.kernels import compiled


@pytest.mark.parametrize(
    ("place", "said"),
    [
        ("user", "user's cache folder:"),
        ("NUMBA_CACHE_DIR", "below NUMBA_CACHE_DIR:"),
        ("numba", "cannot be written"),
        ("off", "not compiled"),
    ],
)
def test_the_kind_of_cache_home_is_told(place: str, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiled, "cache_place", lambda: place)
    assert said in CHECKS["cache"]()


def test_the_folder_told_is_the_one_in_use() -> None:
    folder = compiled.cache_home()
    assert folder is None or compiled.cache_place() == "off" or str(folder) in CHECKS["cache"]()
