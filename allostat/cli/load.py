"""``allostat load``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from allostat.cli.output import message, output_options, print_json, print_table

if TYPE_CHECKING:
    from allostat.acute_rule import AcuteOption
    from allostat.biomarkers import BiomarkerTable
    from allostat.labs.plain_table import PlainTable
    from allostat.marker_coverage import MarkerCoverage
    from allostat.medication_rules import MedicationRules

_ACUTE = "acute_crp"


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
@click.option("--participants", type=click.Path(path_type=Path), metavar="FILE", help="participants.tsv of TABLE.")
@click.option("--diary", type=click.Path(path_type=Path), metavar="FILE", help="diary.tsv: awakenings, for cortisol.")
@click.option(
    "--blood-pressure", type=click.Path(path_type=Path), metavar="FILE", help="blood_pressure.tsv: cuff readings."
)
@click.option(
    "--rule",
    "rules",
    multiple=True,
    metavar="NAME=OPTION",
    help="A rule of medication, or acute_crp; for example antihypertensive=none. Repeatable.",
)
@click.option("--lod", type=click.Choice(["sqrt2", "half", "missing"]), default="sqrt2", help="Below detection.")
@click.option(
    "--implausible",
    type=click.Choice(["refuse", "missing"]),
    default="refuse",
    help="Values that are implausible in their unit: refuse the table, or count them as missing.",
)
@output_options
def command(
    table: Path,
    definitions: tuple[str, ...],
    reference: str | None,
    fit_reference: Path | None,
    participants: Path | None,
    diary: Path | None,
    blood_pressure: Path | None,
    rules: tuple[str, ...],
    lod: Any,
    implausible: Any,
    as_json: bool,
    quiet: bool,
    verbose: bool,
) -> int:
    """Allostatic load of a table of biomarkers or of laboratory results; no recordings are needed.

    \b
    Examples
      allostat load biomarkers.tsv
      allostat load labs.tsv --participants participants.tsv --diary diary.tsv
      allostat load biomarkers.tsv -d system -d count_sex --json
      allostat load biomarkers.tsv --rule antihypertensive=none --rule acute_crp=keep
      allostat load adults.tsv --fit-reference adults.json
      allostat load biomarkers.tsv -r adults.json

    TABLE has one row per participant with columns such as hs_crp[mg/L], one row per value, or one row per laboratory
    result (labs.tsv, FHIR, HL7). What a definition wants and the table lacks is listed on stderr.

    The sample is never its own reference unasked: fit one as a step of its own, then score against it.
    """
    from allostat.allostatic_load import allostatic_load, save_reference
    from allostat.allostatic_load import fit_reference as fitted_reference
    from allostat.cli import EXIT_SOME_FAILED
    from allostat.labs.plain_table import read_plain_table
    from allostat.study.output_tables import load_rows

    medication, acute = _rules(rules)
    plain = read_plain_table(
        table,
        participants=participants,
        diary=diary,
        blood_pressure=blood_pressure,
        medication=medication,
        acute=acute,
        lod=lod,
        implausible=implausible,
    )
    _tell(plain, quiet=quiet, verbose=verbose)
    code = EXIT_SOME_FAILED if plain.problems else 0
    if fit_reference is not None:
        fitted = fitted_reference(plain.biomarkers, name=fit_reference.stem, rules=plain.biomarkers.rules)
        save_reference(fitted, fit_reference)
        click.echo(f"{fit_reference} sha256 {fitted.sha256}")
        return code
    names = definitions or ("system", "count_sex")
    results = {name: allostatic_load(plain.biomarkers, definition=name, reference=reference) for name in names}
    missing = {name: _incomplete(plain.biomarkers, name) for name in names}
    if as_json:
        about = {"rules": dict(plain.biomarkers.rules), "problems": plain.problems}
        print_json(
            {
                name: {**r.to_dict(), **about, "missing": list(map(_as_dict, missing[name]))}
                for name, r in results.items()
            }
        )
        return code
    _print_missing(missing, quiet=quiet)
    if not quiet and all(bool(r["index"].isnull().all()) for r in results.values()):
        _print_served(plain.biomarkers, reference)
    columns, rows = load_rows(results)
    shown = [i for i, name in enumerate(columns) if not name.endswith("sha256")]
    print_table([columns[i] for i in shown], [[row[i] for i in shown] for row in rows])
    return code


def _rules(texts: Sequence[str]) -> tuple[MedicationRules, AcuteOption]:
    """Rules of medication and the option of the acute rule, from NAME=OPTION."""
    from allostat.medication_rules import MedicationRules, rule_options

    options: dict[str, str] = {}
    for text in texts:
        name, equals, option = text.partition("=")
        if not equals:
            valid = ", ".join((*rule_options(), _ACUTE))
            raise click.UsageError(f"--rule {text}: NAME=OPTION is wanted; the rules: {valid}")
        options[name.strip()] = option.strip()
    acute: Any = options.pop(_ACUTE, "exclude")
    return MedicationRules.from_options(options), acute


def _tell(plain: PlainTable, *, quiet: bool, verbose: bool) -> None:
    for who, sentences in (plain.problems or {}).items():
        for sentence in sentences:
            message(f"not scored: {who or '(no participant)'}: {sentence}")
    for notice in plain.notices:
        if verbose or notice.severity != "info":
            message(f"{notice.code}: {notice.message}", quiet=quiet)


def _incomplete(table: BiomarkerTable, definition: str) -> list[MarkerCoverage]:
    """The markers of a definition that not everybody has."""
    from allostat.allostatic_load import load_definition
    from allostat.marker_coverage import marker_coverage

    systems = {s.name: {m.name: m.any_of for m in s.markers} for s in load_definition(definition).systems}
    return [one for one in marker_coverage(table, systems) if not one.complete]


def _print_served(table: BiomarkerTable, reference: str | None) -> None:
    """When nobody got an index: the definitions by which somebody would."""
    from allostat.allostatic_load.served import definitions_served

    found = definitions_served(table, reference)
    told = ", ".join(f"{name} ({n})" for name, n in found) or "none: fit a reference, or write a definition"
    message(f"definitions that this table serves (participants): {told}")


def _as_dict(one: MarkerCoverage) -> dict[str, Any]:
    return {
        "system": one.system,
        "marker": one.marker,
        "biomarkers": list(one.biomarkers),
        "measured": one.measured,
        "wanted": one.wanted,
        "reasons": dict(one.reasons),
    }


def _print_missing(missing: dict[str, list[MarkerCoverage]], *, quiet: bool) -> None:
    """What definitions want and the table lacks, as an aligned table on stderr."""
    head = ("definition", "system", "marker", "measured", "reasons", "columns that would hold it")
    rows = [
        (
            name,
            one.system,
            one.marker,
            f"{one.measured} of {one.wanted}",
            ", ".join(f"{reason} {n}" for reason, n in one.reasons.items()),
            " or ".join(one.columns),
        )
        for name, found in missing.items()
        for one in found
    ]
    if not rows:
        return
    widths = [max(len(row[i]) for row in (head, *rows)) for i in range(len(head))]
    message("missing:", quiet=quiet)
    for row in (head, *rows):
        message(
            "  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip(), quiet=quiet
        )
