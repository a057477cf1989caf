"""The command line: one file per verb, imported when the verb is used."""

from __future__ import annotations

import atexit
import sys
from importlib import import_module

import click

from allostat import __version__
from allostat.errors import AllostatError
from allostat.memory import collect_rarely, end_without_collecting

EXIT_INTERNAL, EXIT_USAGE, EXIT_INPUT, EXIT_SOME_FAILED, EXIT_INTERRUPTED = 1, 2, 3, 4, 130

VERBS = {
    "demo": "simulated study with known truth: run it, see the pages",
    "run": "a study, an export or a folder of exports: everything, resumable",
    "check": "dry run: what would be read, for whom, and what is wrong",
    "inspect": "one export on one screen",
    "hrv": "heart rate variability of one file",
    "compare": "every measure of one file under several presets, and what differs",
    "simulate": "an export in a device's own format, of a simulated person with known truth",
    "edit": "correct a table of a study: earlier versions kept, who, when and why in the audit log",
    "verify": "is every result as the run left it?",
    "migrate": "results of an older allostat in the layout of this one",
    "erase": "remove one participant from results, completely",
    "export": "results in the formats of other tools",
    "deidentify": "a copy of a study without what identifies its participants",
    "load": "allostatic load of one biomarker table",
    "multiverse": "the index under every defensible combination of choices",
    "bench": "speed of the kernels on this machine",
    "doctor": "is this installation sound?",
    "live": "chest straps live: recorded, declared, measured, shown",
    "scan": "straps in reach: what they give, how near, how charged",
    "devices": "the formats that can be read, and how well each is verified",
}


class _Verbs(click.Group):
    """Loads a verb's module only when that verb is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in VERBS:
            return None
        command = import_module(f"allostat.cli.{cmd_name}").command
        assert isinstance(command, click.Command)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        from allostat.errors import nearest

        if args and args[0] not in VERBS and not args[0].startswith("-"):
            near = nearest(args[0], VERBS)
            ctx.fail(f"no verb {args[0]!r}" + (f"; did you mean {near!r}?" if near else f"; verbs: {', '.join(VERBS)}"))
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Verbs"):
            formatter.write_dl(list(VERBS.items()))


@click.group(cls=_Verbs, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="allostat")
def cli() -> None:
    """Allostatic load from wearable recordings and laboratory results.

    \b
    Examples
      allostat demo                     a simulated study, run from raw exports to pages
      allostat run my_study/            a real one
      allostat inspect export.zip       what is in a file

    Results go to stdout, messages to stderr. Research use only, not a diagnosis.
    """


def main() -> None:
    """Run the command line; the exit code says how it ended (0, 1, 2, 3, 4 or 130)."""
    collect_rarely()
    atexit.register(end_without_collecting)
    try:
        code = cli.main(standalone_mode=False)
    except click.exceptions.Abort:
        click.echo("interrupted; run the same command again to resume", err=True)
        sys.exit(EXIT_INTERRUPTED)
    except click.exceptions.Exit as stop:
        sys.exit(stop.exit_code)
    except click.ClickException as problem:
        problem.show()
        sys.exit(EXIT_USAGE)
    except AllostatError as problem:
        click.echo(f"allostat: {problem}", err=True)
        sys.exit(EXIT_INPUT)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(EXIT_INTERNAL)
    sys.exit(code if isinstance(code, int) else 0)
