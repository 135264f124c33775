"""The documentation as one site: ``tox -e docs``. Sphinx reads the Markdown files where they are, with MyST.

The source folder is the root of the repository, since pages link to README and its neighbours.
"""

from importlib.metadata import version as version_of

project = "tgi-conformance"
author = "The authors of tgi-conformance"
release = version = version_of("tgi-conformance")

extensions = ["myst_parser"]
include_patterns = ["*.md", "docs/*.md", "docs/examples/backend-repository/README.md"]
root_doc = "docs/README"
#: docs/README.md is the table of contents, as it is in the repository.
suppress_warnings = ["toc.not_included"]
#: Headings that links may name, as on GitHub.
myst_heading_anchors = 4

html_theme = "alabaster"
html_title = "tgi-conformance"
html_show_sourcelink = False
