"""``allostat load``."""

from __future__ import annotations

from pathlib import Path

import click

from allostat.cli.output import output_options, print_json, print_table


@click.command(name="load")
@click.argument("table", type=click.Path(path_type=Path))
@click.option("-d", "--definition", "definitions", multiple=True, help="Definition: a name or a TOML file; repeatable.")
@click.option("-r", "--reference", help="Frozen reference: a name or a JSON file; the definition's own by default.")
@click.option(
    "--fit-reference",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Fit a reference from TABLE, write it to FILE, and stop.",
)
@output_options
def command(
    table: Path,
    definitions: tuple[str, ...],
    reference: str | None,
    fit_reference: Path | None,
    as_json: bool,
    quiet: bool,
    verbose: bool,
) -> int:
    """Allostatic load of a table of biomarkers, one row per participant or per value.

    \b
    Examples
      allostat load biomarkers.tsv
      allostat load biomarkers.tsv -d system -d count_sex --json
      allostat load adults.tsv --fit-reference adults.json
      allostat load biomarkers.tsv -r adults.json

    The sample is never its own reference unasked: fit one as a step of its own, then score against it.
    """
    from allostat.allostatic_load import allostatic_load, save_reference
    from allostat.allostatic_load import fit_reference as fitted_reference
    from allostat.study.output_tables import load_rows
    from allostat.tables import read_biomarker_table

    biomarkers = read_biomarker_table(table)
    if fit_reference is not None:
        fitted = fitted_reference(biomarkers, name=fit_reference.stem)
        save_reference(fitted, fit_reference)
        click.echo(f"{fit_reference} sha256 {fitted.sha256}")
        return 0
    results = {
        name: allostatic_load(biomarkers, definition=name, reference=reference)
        for name in definitions or ("system", "count_sex")
    }
    if as_json:
        print_json({name: result.to_dict() for name, result in results.items()})
        return 0
    columns, rows = load_rows(results)
    shown = [i for i, name in enumerate(columns) if not name.endswith("sha256")]
    print_table([columns[i] for i in shown], [[row[i] for i in shown] for row in rows])
    return 0
