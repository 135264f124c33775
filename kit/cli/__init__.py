"""The command ``tgi-conformance``: run, doctor, serve, list, explain, reproduce.

Each command's work is in a module of its own, imported when the command is called: ``--help`` must not cost
what a run costs.
"""

import os
import shlex
import sys
from importlib import import_module
from typing import Any, Final

import click

from tgi_conformance import __version__, late_imports
from tgi_conformance.cli.runs.commands import COMMANDS
from tgi_conformance.cli.stdout import let_readers_leave

_USAGE: Final = 4
_INTERRUPTED: Final = 2
_INTERNAL: Final = 3
_STANDARD_INPUT: Final = "/dev/stdin"
#: Each takes 100 MiB, and a backend and a server of its own: more is a slip of the fingers.
_MOST_PROCESSES: Final = 64

EXIT_CODES: Final = """\b
Exit codes:
   0  everything that was judged is as it must be
   1  the backend breaks a clause
   2  interrupted            3  internal error of pytest
   4  wrong use              5  no case was selected
  10  differs from the baseline
  11  the kit itself is at fault
  12  the backend did not start or describe itself
  13  could not tell: an untestable MUST case, no time left, or too few decided
  14  the real endpoint is unusable, or its budget is used up
  15  a part of the reports could not be written
"""

_CONTEXT: Final = {"help_option_names": ["-h", "--help"], "max_content_width": 100}


@click.group(context_settings=_CONTEXT, epilog=EXIT_CODES)
@click.version_option(__version__, prog_name="tgi-conformance")
def cli() -> None:
    """Check on the wire whether a client backend of Text Generation Inference behaves correctly."""


def _backend_options(command: Any) -> Any:
    for option in reversed(
        (
            click.option(
                "--backend",
                "backends",
                multiple=True,
                metavar="SPEC",
                help="Adapter under test: mypkg.adapter:MyAdapter or path/adapter.py:MyAdapter; repeatable. "
                "Default: the reference backend.",
            ),
            click.option(
                "--backend-python", metavar="PATH", help="Python interpreter for the backend's process."
            ),
            click.option(
                "--backend-command",
                metavar="CMD",
                help='Adapter host in another language: "node adapter.mjs".',
            ),
            click.option(
                "--backend-env",
                multiple=True,
                metavar="NAME[=VALUE]",
                help="Hand this variable on to the backend's process; repeatable. Keys are never handed on.",
            ),
            click.option(
                "--allow-network", is_flag=True, help="Let the backend leave this machine, unjudged."
            ),
        )
    ):
        command = option(command)
    return command


@cli.command("run", context_settings=_CONTEXT, epilog=EXIT_CODES)
@_backend_options
@click.option(
    "--profile",
    type=click.Choice(["default", "thorough", "quick", "tgi-guide"]),
    help="How much to test; quick: one case per clause; tgi-guide: all 22 keys are required.",
)
@click.option(
    "--focus",
    multiple=True,
    metavar="CLAUSE",
    help="With --profile quick: run all cases of this clause, such as 'RETRY-*'; repeatable.",
)
@click.option("--seed", metavar="N|random", help="Seed of properties, chaos and canary keys.")
@click.option(
    "--requirements",
    metavar="SET",
    help="Judge by the cases of a frozen requirement set, such as 2026-12; others run and are listed.",
)
@click.option(
    "--server",
    metavar="NAME",
    help="Play another server generation: tgi-2, tgi-1.4, openai-proxy, hosted-router.  [default: tgi-3.3]",
)
@click.option("--shard", metavar="N/COUNT", help="Run this part of the cases only, such as 2/4; see merge.")
@click.option(
    "--budget-seconds", type=float, metavar="S", help="End within so many seconds; 13 if cases are left."
)
@click.option(
    "-n",
    "--workers",
    metavar="N|auto",
    default="auto",
    show_default=True,
    help="Number of worker processes; 0: run in this one; auto: one per core, four at most.",
)
@click.option("-k", "expression", metavar="EXPR", help="Run only cases whose test matches, as in pytest.")
@click.option(
    "--case",
    "cases",
    multiple=True,
    metavar="ID",
    help="Run only this clause or case, such as STREAM-12/*; repeatable.",
)
@click.option(
    "--order",
    type=click.Choice(["longest", "random"]),
    help="Longest first (as in earlier runs), or shuffled by the seed.  [default: longest]",
)
@click.option("--last-failed", is_flag=True, help="Run only the cases that were red in their last run.")
@click.option("--results", metavar="DIR", help="Folder for the reports.  [default: collected_results]")
@click.option(
    "--enforce", type=click.Choice(["must", "should"]), help="should: a failed SHOULD fails the run."
)
@click.option(
    "--baseline",
    metavar="FILE|none",
    help="Failures that are expected.  [default: expected_failures.toml in the working folder, if there]",
)
@click.option(
    "--level",
    type=click.Choice(["safe", "sound", "exemplary"]),
    help="Only what breaks this level makes the run fail.  [default: all that is red]",
)
@click.option(
    "--fail-on",
    type=click.Choice(["red", "new"]),
    help="new: only cases that were not red in the last run make this one fail.  [default: red]",
)
@click.option(
    "--against",
    metavar="RUN",
    help="With --fail-on new: compare with this run, a folder of results or a verdicts.jsonl.",
)
@click.option(
    "--floor",
    type=float,
    metavar="PERCENT",
    help="So many of the MUST cases must be decided; untestable ones may be among the rest.",
)
@click.option("--inproc", is_flag=True, help="Run the backend in this process, for a debugger; implies -n 0.")
@click.option("--durations", type=click.IntRange(0), default=0, metavar="N", help="Show the N slowest cases.")
@click.option(
    "--deadline", type=float, metavar="S", help="Seconds a call may take before it counts as a hang."
)
@click.option(
    "--evidence",
    type=click.Choice(["failures", "all"]),
    help="Keep the scripts, journals and outcomes of these cases.  [default: failures]",
)
@click.option("--tgi-endpoint", metavar="URL", help="Base URL of a real TGI.  [default: TGI_ENDPOINT]")
@click.option("--max-requests", type=int, metavar="N", help="Requests to the real TGI.  [default: 300]")
@click.option("--max-tokens", type=int, metavar="N", help="Tokens that it may generate.  [default: 5000]")
@click.option("--dry-run", is_flag=True, help="Send nothing to the real TGI; say what would be.")
@click.option("--wait-ready", type=float, metavar="S", help="Wait for a model that is still loading.")
@click.option(
    "--any-server", is_flag=True, help="Take a real endpoint that is no TGI, where it answers chats."
)
@click.option("--real-concurrency", type=int, metavar="N", help="Exchanges with it at a time.  [default: 4]")
@click.option("--cacert", metavar="FILE", help="Certificates (PEM) that the real TGI is trusted by.")
@click.option(
    "--header",
    "headers",
    multiple=True,
    metavar="'NAME: VALUE'",
    help="Further header of each request to the real TGI, for a gateway; repeatable.",
)
@click.option("--allure", metavar="DIR", help="Also write results for Allure to this folder.")
@click.option("--reports", metavar="LIST", help="Also write these: github, gitlab, sarif, badge.")
@click.option("-v", "--verbose", is_flag=True, help="Print a line for each case, not only for each failure.")
@click.pass_obj  # the words of the command line, for the report to repeat
def run_command(
    words: tuple[str, ...],
    /,
    workers: str,
    *,
    last_failed: bool,
    durations: int,
    verbose: bool,
    **chosen: Any,
) -> int:
    """Run the suites against a backend and write the reports."""
    module = import_module(late_imports.RUN)
    real = chosen["tgi_endpoint"] or os.environ.get("TGI_ENDPOINT")
    default = module.default_workers if not real else module.real_workers
    count = 0 if chosen["inproc"] else _workers(workers, default)
    arguments = import_module(late_imports.PYTEST_ARGUMENTS)
    choice = arguments.Choice(workers=count, **chosen)
    return int(
        module.run(
            choice,
            only_last_failed=last_failed,
            durations=durations,
            verbose=verbose,
            command=["tgi-conformance", *map(shlex.quote, words)],
        )
    )


@cli.group("baseline", context_settings=_CONTEXT)
def baseline_group() -> None:
    """Failures that are known and expected: expected_failures.toml."""


@baseline_group.command("update", context_settings=_CONTEXT)
@click.option("--baseline", metavar="FILE", help="The file.  [default: expected_failures.toml]")
@click.option("--results", metavar="DIR", help="Folder of the last run.  [default: collected_results]")
@click.option(
    "--reason", metavar="TEXT", default="", help="Why failures that have no reason yet are accepted."
)
@click.option("--link", metavar="URL", default="", help="Where those that have no link yet are tracked.")
def baseline_update_command(**chosen: Any) -> int:
    """Write what fails in the last run into the baseline, and take out what is mended.

    What stands there keeps its words. A run refuses the file until each entry has a reason and a link: write
    them, or give them for all entries that have none.
    """
    return int(import_module(late_imports.BASELINE_UPDATE).update(**chosen))


@cli.command("doctor", context_settings=_CONTEXT)
@_backend_options
@click.option("--inproc", is_flag=True, help="Run the backend in this process.")
def doctor_command(backends: tuple[str, ...], **chosen: Any) -> int:
    """Check an adapter: what it claims, what it implements, and one healthy call of each kind.

    Exit code 0: ready for a run; 1: problems; 12: it does not start or describe itself.
    """
    if not backends:
        reference = import_module(late_imports.OPTIONS).REFERENCE
        backends = ("",) if chosen["backend_command"] else (reference,)
    module = import_module(late_imports.DOCTOR)
    return int(module.examine(backends, **chosen))


@cli.command("init", context_settings=_CONTEXT)
@click.argument("folder", metavar="[DIR]", default=".")
@click.option("--kind", type=click.Choice(["native", "openai", "javascript"]), help="Kind of adapter.")
@click.option("--client", metavar="NAME", help="Package or module of the client.")
@click.option("--ci", type=click.Choice(["github", "gitlab"]), help="CI to write a file for.")
def init_command(folder: str, **chosen: Any) -> int:
    """Write an adapter to begin with, an empty baseline and a CI file, and run doctor.

    What is not given is found out from DIR and from what is installed. No file is replaced.
    Exit code: that of doctor; 4: no client was found, or a file cannot be read or written.
    """
    return int(import_module(late_imports.INIT).init(folder, **chosen))


@cli.command(
    "serve",
    context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False},
    add_help_option=False,
)
@click.argument("flags", nargs=-1, type=click.UNPROCESSED)
def serve_command(flags: tuple[str, ...]) -> int:
    """Start the fake TGI server: it prints one line of JSON when it is ready; stop it with Ctrl-C.

    It takes the flags of TGI's launcher (--port, --hostname, --model-id, ...) and --script FILE, or - for
    standard input; `serve --help` lists them all.
    """
    process = import_module(late_imports.SERVE)
    words = [word.replace("--script=-", f"--script={_STANDARD_INPUT}") for word in flags]
    try:
        words = [_STANDARD_INPUT if word == "-" else word for word in words]
        return _USAGE if process.main(words, program="tgi-conformance serve") else 0
    except SystemExit as end:  # argparse's own way out
        return _USAGE if end.code else 0


@cli.command("check-server", context_settings=_CONTEXT)
@click.argument("url")
@click.option(
    "--header", "headers", multiple=True, metavar="'NAME: VALUE'", help="Further header; repeatable."
)
@click.option("--cacert", metavar="FILE", help="Certificates (PEM) that the server is trusted by.")
@click.option("--max-requests", type=click.IntRange(1), default=600, show_default=True, metavar="N")
@click.option("--max-tokens", type=click.IntRange(1), default=5000, show_default=True, metavar="N")
@click.option("--from", "folder", metavar="DIR", help="Ask what was recorded there, and nothing else.")
@click.option(
    "--as",
    "kind",
    type=click.Choice(["tgi-3.3", "tgi-2", "openai"]),
    default="tgi-3.3",
    show_default=True,
    help="What it is checked as.",
)
@click.option("--json", "json_file", metavar="FILE", help="Also write the findings as JSON.")
@click.option("--junit", "junit_file", metavar="FILE", help="Also write them as JUnit.")
def check_server_command(url: str, **chosen: Any) -> int:
    """Check whether a server answers as TGI does; its key is HF_API_KEY.

    Exit code 0: nothing was found; 1: something was; 14: the server does not answer.
    """
    return int(import_module(late_imports.CHECK_SERVER).check_server(url, **chosen))


@cli.command("drift", context_settings=_CONTEXT)
@click.argument("url")
@click.option("--from", "folder", metavar="DIR", help="Ask what was recorded there, and nothing else.")
@click.option("--cacert", metavar="FILE", help="Certificates (PEM) that the server is trusted by.")
@click.option("--max-requests", type=click.IntRange(1), default=600, show_default=True, metavar="N")
@click.option("--max-tokens", type=click.IntRange(1), default=5000, show_default=True, metavar="N")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON array.")
def drift_command(url: str, **chosen: Any) -> int:
    """Say where a real server, the contracts and the fake server disagree; its key is HF_API_KEY."""
    return int(import_module(late_imports.DRIFT).show_drift(url, **chosen))


@cli.command("record", context_settings=_CONTEXT)
@click.option("--cases", "url", metavar="URL", help="Ask this server all that check-server asks.")
@click.option("--convert", "source", metavar="DIR", help="Read the laboratory's recordings from there.")
@click.option("--cacert", metavar="FILE", help="Certificates (PEM) that the server is trusted by.")
@click.option("--max-requests", type=click.IntRange(1), default=600, show_default=True, metavar="N")
@click.option("--max-tokens", type=click.IntRange(1), default=5000, show_default=True, metavar="N")
@click.argument("folder", metavar="DIR")
def record_command(folder: str, *, url: str | None, source: str | None, **chosen: Any) -> int:
    """Write recordings in the kit's own form, secrets stripped, as serve --replay reads them."""
    module = import_module(late_imports.RECORD)
    if (url is None) == (source is None):
        raise click.UsageError("either --cases URL or --convert DIR is needed")
    return int(module.convert(source, folder) if url is None else module.record_cases(url, folder, **chosen))


@cli.command("list", context_settings=_CONTEXT)
@click.option(
    "--area", "areas", multiple=True, metavar="A", help="Only this area, such as STREAM; repeatable."
)
@click.option("--level", type=click.Choice(["MUST", "SHOULD", "MAY"], case_sensitive=False))
@click.option("--cases", "with_cases", is_flag=True, help="Also list the cases that decide each clause.")
@click.option("--real", is_flag=True, help="Which clauses a real endpoint decides (run --tgi-endpoint).")
@click.option("--coverage", is_flag=True, help="How many cases each clause has, and which clauses have none.")
@click.option("--invariants", is_flag=True, help="The properties of the catalogue, and their cases.")
@click.option("--personas", is_flag=True, help="Which clauses run with which other server generation.")
@click.option("--backend", "backends", multiple=True, metavar="SPEC", help="Cases for this adapter.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON array.")
def list_command(**chosen: Any) -> int:
    """List the clauses."""
    return _listing("show_list", **chosen)


@cli.command("explain", context_settings=_CONTEXT)
@click.argument("name", metavar="CLAUSE|CASE")
@click.option("--backend", "backends", multiple=True, metavar="SPEC", help="Cases for this adapter.")
@click.option("--results", metavar="DIR", help="Folder of the last run.  [default: collected_results]")
def explain_command(**chosen: Any) -> int:
    """Explain a clause or case: statement, sources, what decides it, the last run of it, how to run it."""
    return _listing("explain", **chosen)


@cli.command("reproduce", context_settings=_CONTEXT)
@click.argument("name", metavar="CLAUSE|CASE")
@click.option("--results", metavar="DIR", help="Folder of the run's reports.")
@click.option("--backend", metavar="SPEC|NAME", help="Whose case, where several backends were run.")
@click.option(
    "--server", type=click.IntRange(1), metavar="N", help="Which server, where the case had several."
)
@click.option(
    "--har",
    metavar="FILE",
    help="Write what went over the wire as HAR, in place of the script; - for standard output.",
)
def reproduce_command(**chosen: Any) -> int:
    """Print a short Python script that plays the server's side of a case of the last run, without the kit.

    Redirect it to a file, and attach it to a bug report. Exit code 4: the case is not known, was not kept, or
    is one that such a script cannot play (TLS, HTTP/2, several addresses, answers by key).
    """
    return int(import_module(late_imports.REPRODUCE).reproduce(**chosen))


def _listing(function: str, **chosen: Any) -> int:
    module = import_module(late_imports.CATALOGUE)
    listing = import_module(late_imports.CASE_LISTING)
    try:
        return int(getattr(module, function)(**chosen))
    except listing.ListingUsageError as error:
        raise click.UsageError(str(error)) from error
    except listing.ListingError as error:
        raise click.ClickException(f"the suites could not be collected:\n{error}") from error


for _command in COMMANDS:
    cli.add_command(_command)


def _workers(word: str, automatic: Any) -> int:
    if word == "auto":
        return int(automatic())
    if not (word.isdecimal() and int(word) <= _MOST_PROCESSES):
        text = f"{word}: a whole number up to {_MOST_PROCESSES}, or auto"
        raise click.BadParameter(text, param_hint="-n")
    return int(word)


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    words = sys.argv[1:] if arguments is None else arguments
    let_readers_leave()
    try:
        code = cli.main(args=words, prog_name="tgi-conformance", standalone_mode=False, obj=tuple(words))
    except click.Abort:
        click.echo("interrupted", err=True)
        return _INTERRUPTED
    except click.UsageError as error:
        error.show()
        return _USAGE
    except click.ClickException as error:
        error.show()
        return _INTERNAL
    return code if isinstance(code, int) else 0
