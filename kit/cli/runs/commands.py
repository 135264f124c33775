"""The commands on runs that are over, as click has them; the work of each is imported when it is called."""

from importlib import import_module
from typing import Any, Final

import click

from tgi_conformance import late_imports


@click.command("compare")
@click.argument("before", metavar="A")
@click.argument("after", metavar="B")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object, with all cases.")
@click.option(
    "--slower-factor",
    "factor",
    type=click.FloatRange(1),
    default=2.0,
    show_default=True,
    help="A case is slower if it took so many times as long",
)
@click.option(
    "--slower-seconds",
    "seconds",
    type=click.FloatRange(0),
    default=0.5,
    show_default=True,
    help="and so many seconds more.",
)
def compare_command(**chosen: Any) -> int:
    """Compare two runs: what broke, what is fixed, new, gone or slower. A and B: results folders or files.

    Exit code 0: nothing broke; 1: a case is red that was green; 4: there is no such run.
    """
    return int(import_module(late_imports.COMPARE).compare(**chosen))


@click.command("merge")
@click.argument("folders", metavar="DIR...", nargs=-1, required=True)
@click.option("--results", metavar="DIR", help="Folder for the reports.  [default: collected_results]")
@click.option("--reports", metavar="LIST", help="Also write these: github, gitlab, sarif, badge.")
def merge_command(**chosen: Any) -> int:
    """Put the shards of one run together to one report; DIR: the results folder of each.

    The exit code is that of the run as a whole. Exit code 4, and nothing is written: a shard is missing,
    given twice, empty, or of another run.
    """
    return int(import_module(late_imports.MERGE).merge(**chosen))


@click.command("rerun", context_settings={"ignore_unknown_options": True})
@click.argument("place", metavar="RUN")
@click.argument("further", metavar="[OPTIONS OF RUN]...", nargs=-1, type=click.UNPROCESSED)
def rerun_command(place: str, further: tuple[str, ...]) -> int:
    """Run once more what a report tells of, with its options, seed and requirement set; RUN: its run.json.

    Versions that are others now are told first. Options that are added hold in place of the report's.
    """
    root = click.get_current_context().find_root()

    def run(words: list[str]) -> int:
        code = root.command.main(words, prog_name=root.info_name, standalone_mode=False, obj=tuple(words))
        return int(code)

    return int(import_module(late_imports.RERUN).rerun(place, further, run))


@click.command("board")
@click.argument("places", metavar="RESULTS...", nargs=-1, required=True)
@click.option("--out", metavar="DIR", required=True, help="Folder for the pages; empty, or a board's.")
def board_command(places: tuple[str, ...], out: str) -> int:
    """Make static pages of many runs: clients by areas, with causes, levels, badges and trend.

    RESULTS: results folders, archives of them (tar, tar.gz, tar.xz, zip), or folders of these. Exit code 0
    whatever the clients did; 4: there is no run, or DIR holds something else.
    """
    return int(import_module(late_imports.BOARD).board(places, out))


COMMANDS: Final = (compare_command, merge_command, rerun_command, board_command)
