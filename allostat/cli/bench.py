"""``allostat bench``."""

from __future__ import annotations

from pathlib import Path

import click

from allostat.cli import EXIT_SOME_FAILED
from allostat.cli.output import message, output_options, print_json


@click.command(name="bench")
@click.argument("cases", nargs=-1)
@click.option(
    "-n", "--repeats", type=click.IntRange(min=1), default=5, show_default=True, help="Interleaved runs of each case."
)
@click.option("--peers", is_flag=True, help="In turn with other tools, each group in an environment of its own.")
@click.option("--long", is_flag=True, help="Also the cases for which other tools take minutes (24 h of ECG or PPG).")
@click.option("--memory", is_flag=True, help="Also how much memory the R-peak detector takes beyond its input.")
@click.option("--prepare", is_flag=True, help="Only install the other tools' environments.")
@click.option(
    "--environments",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder of the environments; the user's cache folder by default.",
)
@click.option(
    "--markdown",
    "page",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Page whose tables are written anew, between its two marks.",
)
@output_options
def command(
    cases: tuple[str, ...],
    repeats: int,
    peers: bool,
    long: bool,
    memory: bool,
    prepare: bool,
    environments: Path | None,
    page: Path | None,
    as_json: bool,
    quiet: bool,
    verbose: bool,
) -> int:
    """Speed of each kernel on this machine: medians of CPU time over interleaved runs.

    \b
    Examples
      allostat bench
      allostat bench r_peaks --repeats 9
      allostat bench --peers                  against other tools, with agreement of the results
      allostat bench --peers --json > bench.json

    The other tools are installed with pip into environments below the user's cache folder when they are first needed
    (about 4 GB); what cannot be installed is skipped with a notice. Accuracy on real recordings: python -m benchmarks,
    in a checkout.
    """
    from allostat import benchmarking

    def say(text: str) -> None:
        message(text, quiet=quiet)

    if prepare:
        return _prepare(environments, say, as_json)
    comparison = benchmarking.run(
        cases or None, repeats, peers=peers, long=long, memory=memory, environments=environments, say=say
    )
    if page is not None:
        benchmarking.write_page(page, comparison)
    if as_json:
        print_json(comparison.as_dict())
    else:
        click.echo(benchmarking.table(comparison))
    return 0


def _prepare(environments: Path | None, say: object, as_json: bool) -> int:
    from allostat.benchmarking.peers import environments_folder, groups, started

    assert callable(say)
    with started(groups(), environments or environments_folder(), say) as (workers, skipped):
        versions = {name: version for worker in workers for name, version in worker.versions.items()}
    if as_json:
        print_json({"versions": versions, "skipped": skipped})
    else:
        for name, version in versions.items():
            click.echo(f"{name} {version}")
    return EXIT_SOME_FAILED if skipped else 0
