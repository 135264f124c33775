"""The table of formats: what is written of a run, in this order.

The data come first. What shows the exit code comes last: a format that cannot be written changes it.
"""

from pathlib import Path
from typing import Final

from tgi_conformance.reports.atomic import write_text
from tgi_conformance.reports.html.page import render_html
from tgi_conformance.reports.junit import render_junit
from tgi_conformance.reports.markdown.report import render_markdown
from tgi_conformance.reports.verdict_lines import write_verdicts
from tgi_conformance.reports.writing.data_files import map_files, write_maps, write_run
from tgi_conformance.reports.writing.format import Format, whole_runs
from tgi_conformance.reports.writing.on_request import ON_REQUEST

FORMATS: Final = (
    Format(
        name="verdicts",
        files=lambda finished: (finished.layout.verdicts,),
        write=lambda finished: write_verdicts(finished.layout.verdicts, finished.run.verdicts),
    ),
    Format(name="results map", files=map_files, write=write_maps, wanted=whole_runs),
    Format(
        name="junit",
        files=lambda finished: (finished.layout.junit,),
        write=lambda finished: write_text(finished.layout.junit, render_junit(finished.run)),
    ),
    Format(
        name="html",
        files=lambda finished: (finished.layout.report,),
        write=lambda finished: write_text(
            finished.layout.report,
            render_html(finished.run, finished.maps, finished.gate, finished.layout),
        ),
    ),
    *ON_REQUEST,
    Format(
        name="markdown",
        files=lambda finished: (finished.layout.markdown,),
        write=lambda finished: write_text(
            finished.layout.markdown, render_markdown(finished.run, finished.layout, Path.cwd())
        ),
    ),
    Format(name="run", files=lambda finished: (finished.layout.run,), write=write_run),
)
