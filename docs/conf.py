"""The settings of Sphinx.

Build the pages and run their examples without the network::

    python -m sphinx -W --keep-going -n -b html docs docs/_build/html
    python -m sphinx -W --keep-going -n -b doctest docs docs/_build/doctest
"""

from __future__ import annotations

import doctest
from importlib.metadata import version as version_of

project = "flask_mplstream"
author = "The flask-mplstream authors"
release = version_of("flask-mplstream")

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.doctest",
]
exclude_patterns = ["_build"]

myst_enable_extensions = ["html_image"]
myst_heading_anchors = 3

default_role = "literal"
# Show names as a reader writes them: RenderedImage, without its module.
add_module_names = False
autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
autodoc_preserve_defaults = True
maximum_signature_line_length = 72

# Do not look up names of other packages: that requires the network.
nitpick_ignore_regex = [
    (
        "py:.*",
        r"(PIL|blinker|cachelib|collections|concurrent|email|flask|flask_caching|markupsafe"
        r"|numpy|os|pathlib|prometheus_client|pydantic|typing|werkzeug)\..*",
    ),
    ("py:class", r"flask_mplstream\.blueprint\.F"),  # A type variable.
]

# Only {testcode} and {doctest} blocks run.
doctest_test_doctest_blocks = ""
doctest_default_flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
doctest_global_setup = "__name__ = 'app'"

html_theme = "furo"
html_static_path = ["_static"]
html_css_files = ["docs.css"]
html_title = f"flask_mplstream {release}"
html_copy_source = False
html_show_copyright = False
html_show_sphinx = False
