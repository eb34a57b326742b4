"""The documentation site: sphinx-build -W --keep-going -b html docs site."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import tfmlm  # noqa: E402

project = "tfmlm"
author = "the tfmlm authors"
copyright = "2026, the tfmlm authors. Apache License 2.0"
release = version = tfmlm.__version__

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx_design",
    "sphinxarg.ext",
]
source_suffix = {".md": "markdown"}
myst_heading_anchors = 3
myst_enable_extensions = ["colon_fence"]
# Docstrings are plain text with names in single backticks.
default_role = "literal"
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_use_ivar = True
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented"
autodoc_member_order = "bysource"

html_theme = "furo"
html_title = f"tfmlm {release}"
html_copy_source = False
html_show_sphinx = False
