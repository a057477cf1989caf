"""``allostat bench``."""

from __future__ import annotations

import click

from allostat.cli.output import output_options, print_json


@click.command(name="bench")
@click.argument("cases", nargs=-1)
@click.option(
    "-n", "--repeats", type=click.IntRange(min=1), default=5, show_default=True, help="Interleaved runs of each case."
)
@output_options
def command(cases: tuple[str, ...], repeats: int, as_json: bool, quiet: bool, verbose: bool) -> int:
    """Speed of each kernel on this machine: medians of CPU time over interleaved runs.

    \b
    Examples
      allostat bench
      allostat bench r_peaks --repeats 9
      allostat bench --json > bench.json

    Accuracy on real recordings and the comparison with other tools: python -m benchmarks, in a checkout.
    """
    from allostat import benchmarking

    results = benchmarking.run(cases or None, repeats=repeats)
    if as_json:
        print_json(results)
    else:
        click.echo(benchmarking.table(results))
    return 0
