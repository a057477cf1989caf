"""The labelled result of a multiverse."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from allostat.allostatic_load.multiverse.agreement import Agreement, ChoiceAgreement
from allostat.allostatic_load.multiverse.choices import choices
from allostat.allostatic_load.multiverse.curve import Effects, EffectStatus, Outcome
from allostat.allostatic_load.multiverse.decomposition import RESIDUAL, Shares
from allostat.allostatic_load.multiverse.grid import MultiverseGrid
from allostat.allostatic_load.multiverse.permutation import Permutations
from allostat.allostatic_load.multiverse.specifications import Specification
from allostat.panel import Panel

if TYPE_CHECKING:
    import xarray as xr

Floats = NDArray[np.float64]

SIGNIFICANT = 0.05
_REFERENCES = "10.1177/1745691616658637 10.1038/s41562-020-0912-z"


@dataclass(frozen=True)
class Scored:
    """Specifications with the scores of every participant, and what was left out.

    Parameters
    ----------
    scores
        (specifications, participants).
    references
        Hash of each specification's reference.
    removed
        Number of combinations left out, by reason.
    default
        Levels of the default specification, which may be among those left out.
    """

    specifications: tuple[Specification, ...]
    scores: Floats
    references: tuple[str, ...]
    removed: Mapping[str, int]
    default: Mapping[str, str]


@dataclass(frozen=True)
class Curve:
    """What became of the outcome."""

    outcome: Outcome
    effects: Effects
    random: Permutations
    shares: Shares


def as_dataset(
    scored: Scored,
    grid: MultiverseGrid,
    panel: Panel,
    agreement: Agreement,
    alone: Mapping[str, ChoiceAgreement],
    shares: Shares,
    curve: Curve | None,
    *,
    seed: int,
) -> xr.Dataset:
    """The result as an `xarray.Dataset`; layout as `multiverse` documents it."""
    import xarray as xr

    specifications = scored.specifications
    is_default = np.array([s.levels == scored.default for s in specifications])
    names = [*choices(), RESIDUAL]
    data: dict[str, Any] = {
        "score": (("specification", "participant"), scored.scores, {"long_name": "index", "units": "1"}),
        "n_scored": (
            "specification",
            (~np.isnan(scored.scores)).sum(axis=1),
            {"long_name": "participants with an index", "units": "1"},
        ),
        "is_default": (
            "specification",
            is_default.astype(np.int8),
            {
                "long_name": "the default specification",
                "flag_values": np.array([0, 1], np.int8),
                "flag_meanings": "no yes",
            },
        ),
        "definition_sha256": ("specification", np.array([s.definition.sha256 for s in specifications])),
        "reference_sha256": ("specification", np.array(scored.references)),
        "rank_correlation": (
            ("specification", "other"),
            agreement.rho,
            {"long_name": "Spearman correlation over the participants that both score", "units": "1"},
        ),
        "n_common": (
            ("specification", "other"),
            agreement.n,
            {"long_name": "participants that both score", "units": "1"},
        ),
        "score_share": (
            "choice",
            np.array([shares.of.get(name, math.nan) for name in names]),
            {
                "long_name": "share of the variance of participants' ranks over specifications",
                "units": "1",
                "n_specifications": shares.specifications,
                "n_participants": shares.participants,
                "references": "10.1198/000313007X188252",
            },
        ),
        **_alone(alone, names),
    }
    if curve is not None:
        data |= _effects(curve, names)
    coords: dict[str, Any] = {
        "specification": np.arange(1, len(specifications) + 1),
        "other": np.arange(1, len(specifications) + 1),
        "participant": list(panel.participants),
        "choice": names,
    }
    for name, choice in choices().items():
        told = np.array([s.levels[name] for s in specifications])
        coords[f"choice_{name}"] = ("specification", told, {"long_name": choice.meaning})
    attrs: dict[str, Any] = {
        "grid": json.dumps(grid.as_json(), ensure_ascii=False),
        "grid_id": grid.id,
        "grid_sha256": grid.sha256,
        "n_combinations": grid.n_combinations,
        "n_specifications": len(specifications),
        "removed": json.dumps(dict(scored.removed), ensure_ascii=False),
        "default": json.dumps(dict(scored.default), ensure_ascii=False),
        "default_specification": int(np.flatnonzero(is_default)[0]) + 1 if is_default.any() else 0,
        "n_distinct_scores": len({row.tobytes() for row in scored.scores}),
        "median_rank_correlation": _median_off_diagonal(agreement.rho),
        "occasion": panel.occasions[0],
        "seed": seed,
        "references": _REFERENCES,
    }
    if curve is not None:
        attrs |= _summary(curve)
    result = xr.Dataset(data, coords=coords, attrs=attrs)
    result.attrs["description"] = described(result)
    return result


def _alone(alone: Mapping[str, ChoiceAgreement], names: list[str]) -> dict[str, Any]:
    nothing = ChoiceAgreement(math.nan, math.nan, 0)
    told = [alone.get(name, nothing) for name in names]
    about = "rank correlation of specifications that differ in this choice alone"
    return {
        "alone_median": ("choice", np.array([a.median for a in told]), {"long_name": f"median {about}", "units": "1"}),
        "alone_lowest": ("choice", np.array([a.lowest for a in told]), {"long_name": f"lowest {about}", "units": "1"}),
        "alone_pairs": (
            "choice", np.array([a.pairs for a in told]),
            {"long_name": "pairs of specifications that differ in this choice alone", "units": "1"},
        ),
    }  # fmt: skip


def _effects(curve: Curve, names: list[str]) -> dict[str, Any]:
    effects, logistic = curve.effects, curve.outcome.model == "logistic"
    unit = "log odds" if logistic else f"units of {curve.outcome.name}"
    method = {"method": "logistic regression" if logistic else "ordinary least squares"}
    status = {
        "long_name": "why there is an effect or not",
        "flag_values": np.array([int(s) for s in EffectStatus], dtype=np.int8),
        "flag_meanings": " ".join(s.name for s in EffectStatus),
    }
    of_spec = {
        "effect": (effects.effect, {"long_name": f"effect per SD of the index, {unit}", **method}),
        "effect_se": (effects.se, {"long_name": "standard error of the effect", **method}),
        "ci_low": (effects.ci_low, {"long_name": "95 % interval of the effect, lower end", **method}),
        "ci_high": (effects.ci_high, {"long_name": "95 % interval of the effect, upper end", **method}),
        "p_value": (effects.p, {"long_name": "two-sided p value of the effect", "units": "1", **method}),
        "n_model": (effects.n, {"long_name": "participants in the model", "units": "1"}),
        "effect_status": (effects.status, status),
    }
    data: dict[str, Any] = {name: ("specification", values, attrs) for name, (values, attrs) in of_spec.items()}
    data["effect_share"] = (
        "choice",
        np.array([curve.shares.of.get(name, math.nan) for name in names]),
        {
            "long_name": "share of the variance of the effect over specifications",
            "units": "1",
            "n_specifications": curve.shares.specifications,
        },
    )
    data["permuted_median"] = (
        "permutation",
        curve.random.median,
        {"long_name": "median effect with the outcome dealt out at random"},
    )
    return data


def _summary(curve: Curve) -> dict[str, Any]:
    effect, p = curve.effects.effect, curve.effects.p
    known = ~np.isnan(effect)
    median = float(np.median(effect[known])) if known.any() else math.nan
    same = float((np.sign(effect[known]) == np.sign(median)).mean()) if known.any() else math.nan
    return {
        "outcome": curve.outcome.name,
        "model": curve.outcome.model,
        "covariates": ", ".join(curve.outcome.terms),
        "n_effects": int(known.sum()),
        "median_effect": median,
        "share_same_sign": same,
        "share_significant": float((p[known] < SIGNIFICANT).mean()) if known.any() else math.nan,
        "n_permutations": len(curve.random.median),
        "p_median": curve.random.p_median,
        "p_significant": curve.random.p_significant,
    }


def _median_off_diagonal(rho: Floats) -> float:
    between = rho[np.triu_indices(len(rho), 1)]
    known = between[~np.isnan(between)]
    return float(np.median(known)) if len(known) else math.nan


def described(result: xr.Dataset) -> str:
    """What a multiverse found, in sentences."""
    a = result.attrs
    left_out = sum(json.loads(a["removed"]).values())
    sentences = [
        f"{a['n_specifications']} specifications of {a['n_combinations']} combinations; {left_out} were left out.",
    ]
    if not math.isnan(a["median_rank_correlation"]):
        sentences.append(
            f"Two specifications rank participants with a median correlation of {a['median_rank_correlation']:.2f}."
        )
    sentences += _matters_most(result, "score_share", "where participants stand")
    if "effect" in result:
        sentences.append(
            f"The median effect of {a['n_effects']} models is {a['median_effect']:.3g} per standard deviation of "
            f"the index; {a['share_same_sign']:.0%} have its sign and {a['share_significant']:.0%} have "
            f"p < {SIGNIFICANT:g}."
        )
        if a["n_permutations"] and not math.isnan(a["p_median"]):
            sentences.append(
                f"With the outcome dealt out at random {a['n_permutations']} times, a median as far from 0 has "
                f"p = {a['p_median']:.3g}."
            )
        sentences += _matters_most(result, "effect_share", "the effect")
    return " ".join(sentences)


def _matters_most(result: xr.Dataset, share: str, what: str) -> list[str]:
    shares = {str(n): float(v) for n, v in zip(result["choice"].values, result[share].values, strict=True)}
    rest = shares.pop(RESIDUAL)
    if math.isnan(rest):
        return []
    first, second = sorted(shares, key=lambda n: -shares[n])[:2]
    return [
        f"For {what} the choice of {_words(first)} matters most ({shares[first]:.0%} of the variance), then "
        f"{_words(second)} ({shares[second]:.0%}); {rest:.0%} come from combinations of choices."
    ]


def _words(name: str) -> str:
    return {
        "definition": "definition", "cuts": "cut-points", "quantile_type": "quantile type", "operator": "comparison",
        "winsorise": "winsorising", "crp": "CRP rule", "medication": "medication rule", "missing": "missing-data rule",
        "hrv": "HRV context", "cortisol": "cortisol feature",
    }[name]  # fmt: skip
