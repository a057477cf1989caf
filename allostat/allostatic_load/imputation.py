"""Multiple imputation of missing markers.

Markers on the scale of their transforms, sex and age are taken as jointly normal, so that a missing marker is drawn
from its regression on everything that is known of the person. The parameters are uncertain too: each of the m data sets
is imputed with the parameters of another bootstrap sample of persons, found by the EM algorithm (EMB; Honaker, King &
Blackwell 2011, 10.18637/jss.v045.i07). That makes imputations proper in the sense of Rubin (1987,
10.1002/9780470316696) when values are missing at random given what is observed.

Deviations: sex enters as a number, which makes the mean of a marker differ by sex and its spread not. Imputed values
carry no measurement error of their own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from allostat.allostatic_load.error_draws import person_generator
from allostat.allostatic_load.normal_with_holes import SampleWithHoles, conditional_draws, expectation_maximisation
from allostat.allostatic_load.reference_sample import persons_with_values, rows_of_occasion, sample_fingerprint
from allostat.biomarkers import BiomarkerTable, biomarker_kind
from allostat.errors import ConfigError, InputError
from allostat.panel import Panel, panel_of

if TYPE_CHECKING:
    import pandas as pd

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]
FittedOn = Literal["study", "reference"]

_COVARIATES = ("sex", "age")


@dataclass(frozen=True)
class ImputationModel:
    """A joint normal model of markers, sex and age, as often as data sets are to be imputed.

    Parameters
    ----------
    biomarkers
        Markers of the model; only these can be imputed.
    variables
        Biomarkers, then ``sex`` and ``age`` where the sample has them: order of ``mean`` and ``covariance``.
    mean, covariance
        (m, variables) and (m, variables, variables): one set of parameters for each data set, of variables divided by
        ``scale`` after ``centre`` was taken away.
    centre, scale
        (variables,) of the transformed variables.
    n
        Persons of the sample.
    observed
        (biomarkers,) share of the persons that have each marker.
    fitted_on
        ``study``: the persons to be imputed themselves; ``reference``: others.
    sample_sha256
        Hash of the set of persons.
    """

    biomarkers: tuple[str, ...]
    variables: tuple[str, ...]
    mean: Floats
    covariance: Floats
    centre: Floats
    scale: Floats
    n: int
    observed: Floats
    fitted_on: FittedOn
    seed: int
    sample_sha256: str

    @property
    def imputations(self) -> int:
        """Data sets that the model can impute."""
        return len(self.mean)


@dataclass(frozen=True)
class ImputedPanels:
    """The completed data sets, and how much of them was imputed.

    Parameters
    ----------
    panels
        m panels; equal where values were observed.
    imputed
        (rows, biomarkers) whether a value of the panels is imputed.
    share
        By biomarker: share of persons with any marker whose value is imputed.
    left
        Participants with missing markers that were left as they are, because more than the share allowed was missing.
    """

    panels: tuple[Panel, ...]
    imputed: Mask
    share: dict[str, float]
    left: tuple[str, ...]
    model: ImputationModel


def fit_imputation(
    table: BiomarkerTable | Panel | pd.DataFrame,
    *,
    fitted_on: FittedOn,
    imputations: int = 20,
    biomarkers: Sequence[str] | None = None,
    occasion: str | None = None,
    ridge: float = 0.0,
    seed: int = 0,
) -> ImputationModel:
    """Fit the imputation model.

    Parameters
    ----------
    table
        The sample, in any of the forms of `allostatic_load`.
    fitted_on
        Declare whose sample it is: ``study`` (the persons to be imputed) or ``reference`` (others); results repeat it.
    imputations
        Data sets m; 20 is enough for moderate missingness.
    biomarkers
        Markers of the model; all that anybody has when left out.
    ridge
        Weight of a prior of independent variables, as a share of the persons; above 0 when markers are nearly collinear
        or two of them were never measured in one person.
    seed
        Of the bootstrap samples.

    Raises
    ------
    InputError
        A marker that nobody has or that does not vary, two markers never measured together (without ridge), too few
        persons for the number of markers, or a covariance that the data do not determine.
    ConfigError
        Fewer than two imputations, a negative ridge.
    """
    if imputations < 2:
        raise ConfigError("multiple imputation needs two data sets or more", found=imputations)
    if not 0 <= ridge < 1:
        raise ConfigError("ridge is a share of the persons", found=ridge, expected="0 to 1")
    panel = panel_of(table)
    at = rows_of_occasion(panel, occasion)
    somebody = _somebody_has(panel, at)
    names = somebody if biomarkers is None else tuple(biomarkers)
    for name in names:
        if name not in somebody:
            raise InputError("nobody has this marker: what nobody has is never imputed", found=name, valid=somebody)
    variables, data = _variables(panel, names)
    data = data[at]
    data = data[~np.isnan(data[:, : len(names)]).all(axis=1)]
    known = ~np.isnan(data)
    _check_design(data, known, variables, ridge)
    centre, scale = np.nanmean(data, axis=0), np.nanstd(data, axis=0, ddof=1)
    sample = SampleWithHoles((data - centre) / scale)
    whole = expectation_maximisation(sample, ridge=ridge)
    rng = np.random.default_rng(seed)
    n = len(data)
    resamples = [np.bincount(rng.integers(0, n, n), minlength=n).astype(np.float64) for _ in range(imputations)]
    fits = [expectation_maximisation(sample, times, start=whole, ridge=ridge) for times in resamples]
    return ImputationModel(
        biomarkers=names,
        variables=variables,
        mean=np.stack([m for m, _ in fits]),
        covariance=np.stack([c for _, c in fits]),
        centre=centre,
        scale=scale,
        n=n,
        observed=known[:, : len(names)].mean(axis=0),
        fitted_on=fitted_on,
        seed=seed,
        sample_sha256=sample_fingerprint(persons_with_values(panel, names)),
    )


def impute(
    table: BiomarkerTable | Panel | pd.DataFrame,
    model: ImputationModel,
    *,
    biomarkers: Sequence[str] | None = None,
    most_missing: float = 0.5,
    seed: int = 0,
) -> ImputedPanels:
    """Draw the missing markers of persons from what is known of them.

    Parameters
    ----------
    biomarkers
        Which to impute; None: those of the model that somebody in the table has. Naming one that the table lacks
        altogether says that the model's sample may speak for it (a person scored alone).
    most_missing
        Persons who lack more than this share of these markers are left as they are.
    seed
        The draws of a person depend on it, the participant, the occasion and the number of the data set alone.

    Raises
    ------
    ConfigError
        A marker that the model does not know; a model declared as another sample's that was fitted on these persons.
    """
    panel = panel_of(table)
    names = _wanted(panel, model, biomarkers)
    persons = persons_with_values(panel, model.biomarkers)
    if model.fitted_on == "reference" and sample_fingerprint(persons) == model.sample_sha256:
        raise ConfigError("the imputation model was fitted on these persons themselves", expected='fitted_on="study"')
    panel = _with_columns(panel, names)
    columns = np.array([panel.column_of[b] for b in names], dtype=np.int64)
    _, data = _variables(panel, model.biomarkers, model.variables)
    scaled = (data - model.centre) / model.scale
    missing = ~panel.measured[:, columns]
    lacking = missing.mean(axis=1)
    allowed = (lacking > 0) & (lacking <= most_missing) & ~np.isnan(data[:, : len(model.biomarkers)]).all(axis=1)
    target = np.array([model.variables.index(b) for b in names], dtype=np.int64)
    imputed = np.zeros(panel.value.shape, dtype=np.bool_)
    imputed[np.ix_(allowed, columns)] = missing[allowed]
    rows = np.flatnonzero(allowed)
    noise = _noise(panel, rows, model, seed)
    errors = np.where(imputed, np.nan, panel.standard_error)
    panels = []
    for k in range(model.imputations):
        value = panel.value.copy()
        drawn = conditional_draws(scaled[rows], model.mean[k], model.covariance[k], noise[:, k])
        drawn = drawn * model.scale + model.centre
        for b, j, v in zip(names, columns.tolist(), target.tolist(), strict=True):
            here = imputed[rows, j]
            f = drawn[here, v]
            value[rows[here], j] = np.exp(f) if biomarker_kind(b).transform == "ln" else f
        panels.append(replace(panel, value=value, standard_error=errors, present=panel.present | imputed))
    anybody = panel.measured.any(axis=1)
    left = sorted({panel.keys[i][0] for i in np.flatnonzero((lacking > 0) & ~allowed & anybody).tolist()})
    share = {
        b: float(imputed[anybody, j].mean()) if anybody.any() else 0.0 for b, j in zip(names, columns, strict=True)
    }
    return ImputedPanels(tuple(panels), imputed, share, tuple(left), model)


def _wanted(panel: Panel, model: ImputationModel, biomarkers: Sequence[str] | None) -> tuple[str, ...]:
    somebody = _somebody_has(panel, slice(None))
    if biomarkers is None:
        return tuple(b for b in model.biomarkers if b in somebody)
    for name in biomarkers:
        if name not in model.biomarkers:
            raise ConfigError("the imputation model does not know this marker", found=name, valid=model.biomarkers)
    return tuple(biomarkers)


def _somebody_has(panel: Panel, at: slice) -> tuple[str, ...]:
    """Biomarkers with a value in the rows."""
    there = panel.measured[at].sum(axis=0).tolist()
    return tuple(b for b, n in zip(panel.biomarkers, there, strict=True) if n)


def _with_columns(panel: Panel, names: Sequence[str]) -> Panel:
    """The panel with empty columns for biomarkers that it lacks."""
    new = [b for b in names if b not in panel.column_of]
    if not new:
        return panel
    rows = len(panel.value)
    empty, off = np.full((rows, len(new)), np.nan), np.zeros((rows, len(new)), dtype=np.bool_)
    return replace(
        panel,
        biomarkers=(*panel.biomarkers, *new),
        value=np.hstack([panel.value, empty]),
        standard_error=np.hstack([panel.standard_error, empty]),
        present=np.hstack([panel.present, off]),
        codes={k: np.hstack([m, off]) for k, m in panel.codes.items()},
    )


def _noise(panel: Panel, rows: NDArray[np.int64], model: ImputationModel, seed: int) -> Floats:
    """(rows, imputations, variables) independent standard normal numbers, each person's own."""
    shape = (model.imputations, len(model.variables))
    keys = panel.keys
    noise = np.empty((len(rows), *shape))
    for i, row in enumerate(rows.tolist()):
        noise[i] = person_generator(seed, "imputation", *keys[row]).standard_normal(shape)
    return noise


def _variables(
    panel: Panel, biomarkers: Sequence[str], variables: Sequence[str] | None = None
) -> tuple[tuple[str, ...], Floats]:
    """Transformed markers, sex (0 F, 1 M) and age of every row; covariates that vary, or those of ``variables``."""
    columns = []
    for name in biomarkers:
        x = panel.value[:, panel.column_of[name]] if name in panel.column_of else np.full(len(panel.value), np.nan)
        columns.append(np.log(x) if biomarker_kind(name).transform == "ln" else x)
    sex = np.where(panel.sex < 0, np.nan, panel.sex.astype(np.float64))
    covariates = {"sex": sex, "age": panel.age_years}
    if variables is None:
        vary = [c for c in _COVARIATES if len(np.unique(covariates[c][~np.isnan(covariates[c])])) > 1]
    else:
        vary = [c for c in variables if c in _COVARIATES]
    columns += [covariates[c] for c in vary]
    return (*biomarkers, *vary), np.stack(columns, axis=1)


def _check_design(data: Floats, known: Mask, variables: Sequence[str], ridge: float) -> None:
    """Raise `InputError` when the sample cannot carry the model."""
    n, p = data.shape
    if n < 2 * p:
        raise InputError(
            "too few persons for an imputation model", found=n, expected=f"at least {2 * p}, twice the {p} variables"
        )
    for j, name in enumerate(variables):
        if not np.ptp(data[known[:, j], j]) > 0:
            raise InputError("a marker without spread cannot be imputed", found=name)
    if ridge > 0:
        return
    together = known.T.astype(np.int64) @ known
    rare = np.argwhere(together < 3)
    if len(rare):
        i, j = rare[0].tolist()
        raise InputError(
            "two markers are hardly ever measured in one person: their correlation is not known",
            found=f"{variables[i]} and {variables[j]}", expected="three persons with both, or ridge=0.01",
        )  # fmt: skip
