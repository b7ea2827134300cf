"""The directives ``route-options`` and ``app-settings``, for ``{eval-rst}`` blocks.

Name, type, default and meaning are read where the package declares them, so that
the page cannot say anything else.
"""

from __future__ import annotations

import re
import typing
from collections.abc import Iterator, Mapping
from textwrap import indent

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.pycode import ModuleAnalyzer
from sphinx.util.docutils import SphinxDirective
from sphinx.util.typing import ExtensionMetadata, stringify_annotation

from flask_mplstream.settings import PREFIX, FigureOptions, RouteOptions, Settings

ATTRIBUTE = """\
.. py:attribute:: FigureOptions.{name}
   :type: {type}
   :value: {default}

{meaning}

   In ``app.config``: ``{key}``.
"""

SETTING = """\
.. confval:: {key}
   :type: ``{type}``
   :default: ``{default}``

{meaning}
"""


class RouteOptionList(SphinxDirective):
    """Every option of a figure route, with its default."""

    def run(self) -> list[nodes.Node]:
        """See :class:`SphinxDirective`."""
        types = typing.get_type_hints(FigureOptions)
        text = "\n".join(_entries(ATTRIBUTE, RouteOptions, types))
        return self.parse_text_to_nodes(text)


class AppSettingList(SphinxDirective):
    """Every setting that is the app's alone, with its default."""

    def run(self) -> list[nodes.Node]:
        """See :class:`SphinxDirective`."""
        types = typing.get_type_hints(Settings)
        text = "\n".join(_entries(SETTING, Settings, types))
        return self.parse_text_to_nodes(text)


def _entries(
    template: str, model: type[RouteOptions], types: Mapping[str, object]
) -> Iterator[str]:
    """An entry for each field that *model* itself declares."""
    analyzer = ModuleAnalyzer.for_module(model.__module__)
    analyzer.analyze()
    for (owner, name), comment in analyzer.attr_docs.items():
        if owner == model.__name__:
            yield template.format(
                name=name,
                key=f"{PREFIX}{name.upper()}",
                type=_type(types[name]),
                default=_default(model, name),
                meaning=indent("\n".join(comment).strip(), "   "),
            )


def _type(annotation: object) -> str:
    """*annotation* without the modules of its names."""
    return re.sub(r"~[\w.]+\.", "", stringify_annotation(annotation, "smart"))


def _default(model: type[RouteOptions], name: str) -> str:
    value = model.model_fields[name].get_default(call_default_factory=True)
    if name == "formats":
        return repr(tuple(map(str, value)))
    return f"{value:_}" if type(value) is int else repr(value)


def setup(app: Sphinx) -> ExtensionMetadata:
    """Called by Sphinx."""
    app.add_directive("route-options", RouteOptionList)
    app.add_directive("app-settings", AppSettingList)
    return {"parallel_read_safe": True}
