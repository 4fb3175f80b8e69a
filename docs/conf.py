"""Settings of the site: `make docs` builds it from the repository's own pages into site/."""

import inspect
import os
import sys
from importlib import import_module, metadata
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))
os.environ["IPYTHONDIR"] = str(ROOT / "docs" / "_kernel")  # reads MNIST from STN_DATA_DIR
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

project = "stn-keras"
copyright = "the stn-keras authors"
release = metadata.version("stn-keras")

extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx_copybutton"]

# The repository is the source, so that a link on a page leads to the same place here as in a
# checkout.
root_doc = "README"
include_patterns = [
    "*.md",
    "docs/**",
    "results/*.md",
    "results/**/*.md",
    "data_prep/README.md",
    "pretrained/README.md",
    "web/README.md",
    "experiments/README.md",
]
exclude_patterns = ["docs/_*"]
NAVIGATION = (ROOT / "docs" / "_templates" / "navigation.md").read_text()

myst_enable_extensions = ["dollarmath", "attrs_inline"]
myst_heading_anchors = 4
suppress_warnings = ["myst.header", "mystnb.unknown_mime_type", "toc.not_included"]

nb_execution_mode = "cache"
nb_execution_cache_path = str(ROOT / "build" / "tutorials")
nb_execution_timeout = 300
nb_execution_raise_on_error = True
nb_merge_streams = True

autodoc_default_options = {"members": True, "show-inheritance": True}
autodoc_inherit_docstrings = False
autodoc_member_order = "bysource"
autodoc_typehints = "none"
autoclass_content = "class"
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_use_rtype = False
napoleon_use_ivar = True
napoleon_custom_sections = ["Convention", "Input shape", "Output shape", "Reference"]
default_role = "code"

linkcheck_ignore = [r"http://localhost"]
linkcheck_anchors = False  # many sites make theirs by scripts

html_theme = "furo"
html_title = "stn-keras"
templates_path = ["_templates"]
html_sidebars = {
    "**": [
        "sidebar/brand.html",
        "sidebar/search.html",
        "sidebar/scroll-start.html",
        "draw.html",
        "sidebar/navigation.html",
        "sidebar/scroll-end.html",
    ]
}
html_additional_pages = {"index": "index.html"}
html_show_sourcelink = False
html_copy_source = False

PUBLIC = (
    "stn_keras",
    "stn_keras.layers",
    "stn_keras.transforms",
    "stn_keras.ops",
    "stn_keras.monitor",
    "stn_keras.registration",
    "stn_keras.export",
)


INLINE = ("Convention", "Input shape", "Output shape", "Reference")


def as_sections(app, what, name, obj, options, lines):
    """Break `Convention: text` into a heading and a block, which is what napoleon reads."""
    broken, inside = [], False
    for line in lines:
        if ">>>" not in line:
            line = line.replace(", *", ", \\*")  # a star of a shape begins no emphasis
        heading, colon, text = line.partition(": ")
        if colon and heading in INLINE:
            broken += [f"{heading}:", f"    {text}"]
            inside = True
            continue
        inside = inside and bool(line.strip())
        broken.append(f"    {line.strip()}" if inside else line)
    lines[:] = broken


def own_signature(app, what, name, obj, options, signature, returns):
    """The arguments of `__init__`, which Keras's layers hide behind `*args, **kwargs`."""
    if what != "class":
        return None
    arguments = inspect.signature(obj.__init__)
    bare = [
        value.replace(annotation=inspect.Parameter.empty)
        for name, value in arguments.parameters.items()
        if name != "self"
    ]
    return str(arguments.replace(parameters=bare, return_annotation=inspect.Signature.empty)), None


def add_navigation(app, name, source):
    """Put the site's table of contents below the front page, whose file is the README."""
    if name == root_doc:
        source[0] += NAVIGATION


def check_coverage(app, environment):
    """Warn of each public name that has no entry in the reference."""
    from sphinx.util import logging

    written = set(environment.domaindata["py"]["objects"])
    short = {name.rpartition(".")[2] for name in written}
    for module in PUBLIC:
        for name in import_module(module).__all__:
            is_module = inspect.ismodule(getattr(import_module(module), name))
            if name not in short and not is_module and name != "__version__":
                logging.getLogger(__name__).warning("no entry for %s.%s", module, name)


def setup(app):
    app.connect("source-read", add_navigation)
    app.connect("autodoc-process-docstring", as_sections, priority=400)  # before napoleon
    app.connect("autodoc-process-signature", own_signature)
    app.connect("env-check-consistency", check_coverage)
