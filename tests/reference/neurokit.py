"""NeuroKit2 0.2.13, where its definition is the same or is known to differ; another version is not compared."""

from __future__ import annotations

import warnings

import pytest


def neurokit():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import neurokit2
    if neurokit2.__version__ != "0.2.13":
        pytest.skip(f"NeuroKit2 {neurokit2.__version__} instead of 0.2.13")
    return neurokit2


def entropies(nn, r):
    nk = neurokit()
    return nk.entropy_sample(nn, dimension=2, tolerance=r)[0], nk.entropy_approximate(nn, dimension=2, tolerance=r)[0]


def alpha(nn, sizes, overlap=True):
    return neurokit().fractal_dfa(nn, scale=list(sizes), overlap=overlap)[0]


def fluctuations(nn, sizes):
    return neurokit().fractal_dfa(nn, scale=list(sizes))[1]["Fluctuations"][:, 0]


def fragmentation(nn):
    neurokit()
    from neurokit2.hrv.hrv_nonlinear import _hrv_nonlinear_fragmentation

    found = _hrv_nonlinear_fragmentation(nn, out={})
    return tuple(float(found[name]) for name in ("PIP", "IALS", "PSS", "PAS"))


def time_domain(nn):
    nk = neurokit()
    table = nk.hrv_time({"RRI": nn, "RRI_Time": nn.cumsum() / 1000})
    return {name.removeprefix("HRV_"): float(table[name].iloc[0]) for name in table}
