"""``allostat multiverse``."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from allostat.cli.output import message, output_options, print_json, print_table

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

    from allostat.biomarkers import BiomarkerTable


@click.command(name="multiverse")
@click.argument("table", type=click.Path(path_type=Path))
@click.option("-g", "--grid", default="default", show_default=True, help="Grid: a name or a TOML file.")
@click.option("--outcome", metavar="COLUMN", help="Column of numbers, or of two values.")
@click.option(
    "--covariate", "covariates", multiple=True, metavar="COLUMN", help="Further term of the model; repeatable."
)
@click.option(
    "--persons",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Table with participant_id, outcome and covariates; TABLE itself by default, if it has one row per person.",
)
@click.option("--participants", type=click.Path(path_type=Path), metavar="FILE", help="participants.tsv of TABLE.")
@click.option("-r", "--reference", help="Frozen reference of the level 'reference'; each definition's own by default.")
@click.option("--occasion", help="The occasion to score, when there are several.")
@click.option("--permutations", default=500, show_default=True, help="Random outcomes for the test; 0: none.")
@click.option("--limit", default=2000, show_default=True, help="Most specifications; of more, so many are drawn.")
@click.option("--seed", default=0, show_default=True, help="Of the draw and the permutations.")
@click.option("--figure", type=click.Path(path_type=Path), metavar="FILE", help="Write the curve as SVG.")
@click.option("--netcdf", type=click.Path(path_type=Path), metavar="FILE", help="Write everything as netCDF.")
@output_options
def command(table: Path, as_json: bool, quiet: bool, verbose: bool, **options: Any) -> int:
    """The index under every defensible combination of choices, and which choice matters most.

    \b
    Examples
      allostat multiverse biomarkers.tsv
      allostat multiverse biomarkers.tsv --grid duong2017 --figure curve.svg
      allostat multiverse biomarkers.tsv --outcome burnout --covariate age --covariate sex --json
      allostat multiverse biomarkers.tsv --persons participants.tsv --outcome ill -r adults.json

    TABLE has one row per participant with columns such as hs_crp[mg/L], or one row per value. One line per
    specification on stdout; what was left out and a summary on stderr.
    """
    from allostat.allostatic_load import multiverse
    from allostat.report.multiverse_figure import multiverse_svg

    named = [options["outcome"], *options["covariates"]] if options["outcome"] is not None else []
    biomarkers, persons = _read(table, options["persons"], named, participants=options["participants"])
    result = multiverse(
        biomarkers,
        options["outcome"],
        covariates=options["covariates"],
        persons=persons,
        grid=options["grid"],
        reference=options["reference"],
        occasion=options["occasion"],
        permutations=options["permutations"],
        limit=options["limit"],
        seed=options["seed"],
    )
    if options["figure"] is not None:
        options["figure"].write_text(multiverse_svg(result), encoding="utf-8")
    if options["netcdf"] is not None:
        result.to_netcdf(options["netcdf"], engine="h5netcdf")
    if as_json:
        print_json(_as_json(result))
        return 0
    columns, rows = specification_rows(result)
    print_table(columns, rows)
    message(str(result.attrs["description"]), quiet=quiet)
    for reason, number in json.loads(result.attrs["removed"]).items():
        message(f"left out: {number} × {reason}", quiet=quiet or not verbose)
    return 0


def specification_rows(result: xr.Dataset) -> tuple[list[str], list[list[Any]]]:
    """One row per specification: its levels, how many it scores, and its effect."""
    levels = [str(name) for name in result.coords if str(name).startswith("choice_")]
    numbers = [
        name
        for name in ("n_scored", "effect", "ci_low", "ci_high", "p_value", "n_model", "is_default")
        if name in result
    ]
    default = int(result.attrs["default_specification"])
    columns = ["specification", *(n.removeprefix("choice_") for n in levels), *numbers]
    values = [result[name].values.tolist() for name in (*levels, *numbers)]
    if default and "effect" not in result:
        columns.append("rank_correlation_with_default")
        values.append(result["rank_correlation"].values[default - 1].tolist())
    return columns, [[number, *row] for number, row in enumerate(map(list, zip(*values, strict=True)), 1)]


def _as_json(result: xr.Dataset) -> dict[str, Any]:
    columns, rows = specification_rows(result)
    shares = [name for name in ("score_share", "effect_share", "alone_median", "alone_lowest", "alone_pairs")
              if name in result]  # fmt: skip
    attrs = {k: json.loads(v) if k in ("grid", "removed", "default") else v for k, v in result.attrs.items()}
    hashes = ("definition_sha256", "reference_sha256")
    return {
        **attrs,
        "choices": {
            str(choice): {name: float(result[name][i]) for name in shares}
            for i, choice in enumerate(result["choice"].values)
        },
        "specifications": [
            {**dict(zip(columns, row, strict=True)), **{name: str(result[name].values[i]) for name in hashes}}
            for i, row in enumerate(rows)
        ],
    }


def _read(
    table: Path, persons: Path | None, named: Sequence[str], *, participants: Path | None
) -> tuple[BiomarkerTable, pd.DataFrame | None]:
    """Biomarkers, and the persons with the columns that are named; a wide table can hold both."""
    from allostat.labs.plain_table import read_plain_table

    source = persons or table
    told = _persons(source) if named else None
    besides = () if persons is not None or told is None else [c for c in named if c in told.columns]
    plain = read_plain_table(table, participants=participants, besides=besides)
    for who, sentences in (plain.problems or {}).items():
        for sentence in sentences:
            message(f"not scored: {who or '(no participant)'}: {sentence}")
    return plain.biomarkers, told


def _persons(path: Path) -> pd.DataFrame:
    """All columns of a table, as texts; missing cells are empty."""
    import pandas as pd

    from allostat.tables import Column, read_table

    header = read_table(path, (), extras_notice=False).columns
    rows = read_table(path, [Column(name) for name in header], extras_notice=False).rows
    return pd.DataFrame([{name: row.text(name) for name in header} for row in rows], columns=list(header))
