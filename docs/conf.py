"""Sphinx configuration: Markdown pages, built without a network."""

from __future__ import annotations

from importlib import metadata

project = "tlml"
author = "the tlml developers"
project_copyright = author
release = metadata.version("tlml")

extensions = ["myst_parser"]
myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 3

html_theme = "furo"
html_title = f"tlml {release}"
html_show_sphinx = False
