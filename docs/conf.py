"""Sphinx: MyST pages, and a reference drawn from the docstrings of what `__all__` names."""

from __future__ import annotations

import builtins
import logging
import sys
from pathlib import Path

from hypothesis import HealthCheck, settings
from sphinx.domains.python import PyObject

import gridcompute

# A busy machine draws a page's examples slowly, which is no error of the page.
settings.register_profile("docs", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("docs")
# Furo's code styles (a11y_pygments) send INFO of every logger to stderr.
for _name in ("gridcompute", "traitlets"):
    logging.getLogger(_name).setLevel(logging.WARNING)
sys.path.insert(0, str(Path(__file__).resolve().parent / "_extensions"))

project = "gridcompute"
author = "The gridcompute authors"
version = release = gridcompute.__version__

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.napoleon",
    "matplotlib.sphinxext.plot_directive",
    "pages",
    "run",
]
templates_path = ["_templates"]
exclude_patterns = ["_build", "**/.ipynb_checkpoints"]
html_theme = "furo"
html_title = f"gridcompute {version}"
html_show_copyright = False
html_static_path = ["_static"]
html_css_files = ["pages.css"]
html_favicon = "_static/favicon.svg"
html_math_renderer = "mathml"

default_role = "code"  # `x` in a docstring is code
myst_enable_extensions = ["colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 3

# The notebooks of the gallery keep no outputs: the build runs them, and an error ends it.
nb_execution_mode = "force"
nb_execution_raise_on_error = True
nb_execution_in_temp = True
nb_execution_timeout = 300  # seconds a cell; each takes a few
nb_merge_streams = True
nb_render_markdown_format = "myst"  # the audit is a table of it

# The directive `plot` draws figures by docs/figures/*.py, from runs of the library, with a caption
# and a link to the script. Code that a page shows is run by `run` (_extensions/run.py).
plot_basedir = "figures"
plot_formats = ["svg"]
plot_html_show_formats = False
plot_html_show_source_link = True
plot_rcparams = {"axes.spines.top": False, "axes.spines.right": False, "font.size": 9}
plot_apply_rcparams = True

autosummary_generate = True
autosummary_ignore_module_all = False  # __all__ alone says what is public
autodoc_member_order = "bysource"
autodoc_typehints = "none"  # the docstring gives dtype, shape and unit, which the annotation cannot
autodoc_class_signature = "mixed"

napoleon_google_docstring = False
napoleon_custom_sections = ["Complexity", "Determinism", "Source"]
# Types are prose ("int array, shape (n_slots,), in slots"): set them as text, not as links.
napoleon_use_param = False
napoleon_use_rtype = False
napoleon_use_ivar = True
for field in PyObject.doc_field_types:
    if field.name == "variable":
        field.typerolename = ""

# The builtins a docstring may raise live in Python's own inventory, which is not fetched, so that
# the documentation builds offline. Everything else that does not resolve is an error.
nitpicky = True
nitpick_ignore = [
    ("py:exc", name)
    for name, value in vars(builtins).items()
    if isinstance(value, type) and issubclass(value, BaseException)
]


def keep_summary_whole(_app, what, _name, _obj, _options, lines):
    """Stops napoleon from reading "Shares: one a tenant." as a property of type Shares.

    It takes what precedes a colon in the first line for a type; an empty comment has no colon.
    """
    if what in {"property", "attribute"} and lines and ":" in lines[0]:
        lines[:0] = ["..", ""]


def setup(app):
    """Connects the above, before napoleon (priority 500)."""
    app.connect("autodoc-process-docstring", keep_summary_whole, priority=400)
