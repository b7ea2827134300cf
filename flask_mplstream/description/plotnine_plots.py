"""Reads plotnine's plots, which keep names and values that their artists lose.

Description layer. plotnine draws transformed numbers, so only the plot's scales know
dates, logarithms and categories. The layers, scales, labels and facets of the built
plot are public; the figure's layout engine holds that plot.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from .axis_values import (
    Dimension,
    Span,
    Values,
    decode_days,
    find_simplest,
    to_integers,
)
from .plain_text import plain
from .series import AxesContent, Column, Content, Guide, Series, get_column_order
from .tick_texts import make_formatter

#: Columns of the layout that are not facet variables.
_LAYOUT = {"PANEL", "ROW", "COL", "SCALE_X", "SCALE_Y", "AXIS_X", "AXIS_Y"}
#: Kinds by the name of the geom or of its base class.
_KINDS = {
    "geom_smooth": "line",
    "geom_line": "line",
    "geom_step": "line",
    "geom_density": "line",
    "geom_path": "line",
    "geom_point": "scatter",
    "geom_tile": "tile",
    "geom_raster": "tile",
    "geom_text": "label",
    "geom_bar": "bar",
    "geom_boxplot": "box",
    "geom_violin": "violin",
    "geom_area": "area",
    "geom_ribbon": "area",
    "geom_errorbar": "errorbar",
    "geom_pointrange": "errorbar",
    "geom_linerange": "errorbar",
    "geom_crossbar": "errorbar",
}
_BOX = {
    "y_low": "ymin",
    "y_quarter": "lower",
    "y_median": "middle",
    "y_three_quarters": "upper",
    "y_high": "ymax",
}
_EMPTY = (
    "geom_hline",
    "geom_vline",
    "geom_abline",
    "geom_blank",
)


def find_plots(figure: Figure) -> list[Any]:
    """Return the built plots that plotnine drew as *figure*."""
    engine = figure.get_layout_engine()
    if not type(engine).__module__.startswith("plotnine."):
        return []
    drawn = getattr(engine, "plot", None) or getattr(engine, "composition", None)
    return list(_flatten(drawn))


def _flatten(drawn: Any) -> Iterator[Any]:
    """Yield the plots of a composition."""
    if hasattr(drawn, "layers"):
        yield drawn
    else:
        for item in getattr(drawn, "items", ()):
            yield from _flatten(item)


def read_plots(plots: Sequence[Any]) -> Content:
    """Return the content of built *plots*.

    If the plot's attributes differ in another version of plotnine, only the title is
    read, because the artists do not have the numbers of the data.
    """
    axes: list[AxesContent] = []
    for plot in plots:
        title = _read_label(plot, "title") if len(plots) > 1 else ""
        try:
            axes += _read_panels(plot, title, len(axes))
        except (AttributeError, IndexError, KeyError, TypeError, ValueError):
            axes.append(AxesContent(title, {}, (), base=len(axes)))
    texts = [_read_label(p, name) for p in plots for name in ("subtitle", "caption")]
    title = _read_label(plots[0], "title") if len(plots) == 1 else ""
    return Content(title, tuple(filter(None, texts)), tuple(axes))


def _read_panels(plot: Any, title: str, first: int) -> list[AxesContent]:
    rows = plot.layout.layout.to_dict("records")
    panels = [_Panel.of(plot, row, number) for number, row in enumerate(rows)]
    return [panel.content(title, first + n) for n, panel in enumerate(panels)]


def _read_label(plot: Any, name: str) -> str:
    return plain(getattr(plot.labels, name, None) or "")


@dataclass(frozen=True, slots=True)
class _Scale:
    """A trained position scale."""

    scale: Any
    dimension: Dimension

    def decode(self, values: Any) -> Values:
        """Convert drawn numbers to data units; dates remain days."""
        numbers = np.asarray(values, float)
        trans = _transformation(self.scale)
        if trans is None or self.dimension.dates is not None:
            return to_integers(numbers)
        with np.errstate(all="ignore"):
            data = np.asarray(trans.inverse(numbers), float)
            exact = find_simplest(
                data, lambda found: np.asarray(trans.transform(found)) == numbers
            )
        return to_integers(exact)


def _transformation(scale: Any) -> Any:
    """Return the transformation of a continuous scale, if not the identity."""
    trans = getattr(scale, "_trans", None)
    return None if type(trans).__name__ in {"identity_trans", "NoneType"} else trans


def _read_scale(scale: Any, view: Any, label: str, zone: Any) -> _Scale:
    trans = _transformation(scale)
    name = type(trans).__name__
    limits = np.asarray(view.range, float)
    names = _names(scale)
    dates = decode_days if name in {"datetime_trans", "date_trans"} else None
    labels = getattr(scale, "labels", None)
    formatter = make_formatter(lambda v: labels([v])[0]) if callable(labels) else None
    kind = "linear"
    if names is None and dates is None and trans is not None:
        with np.errstate(all="ignore"):
            limits = np.asarray(trans.inverse(limits), float)
        kind = "log" if name.startswith("log") else "linear"
    return _Scale(
        scale,
        Dimension(
            label,
            kind,
            Span.of(limits),
            is_inverted=name == "reverse_trans",
            dates=dates,
            data_zone=zone,
            shown_zone=zone,
            names=names,
            formatter=None if dates or names else formatter,
        ),
    )


def _names(scale: Any) -> dict[float, str] | None:
    """Return the names of a discrete scale by place."""
    if "discrete" not in type(scale).__name__:
        return None
    limits = list(getattr(scale, "final_limits", ()))
    return {number: plain(name) for number, name in enumerate(limits, 1)}


@dataclass(frozen=True, slots=True)
class _Panel:
    """One panel of a plot."""

    plot: Any
    row: Mapping[str, Any]
    x: _Scale
    y: _Scale
    #: Whether the coordinates are flipped on the screen.
    is_flipped: bool

    @classmethod
    def of(cls, plot: Any, row: Mapping[str, Any], number: int) -> _Panel:
        layout = plot.layout
        is_flipped = "flip" in type(plot.coordinates).__name__
        scales = [
            layout.panel_scales_x[int(row["SCALE_X"]) - 1],
            layout.panel_scales_y[int(row["SCALE_Y"]) - 1],
        ]
        params = layout.panel_params[number]
        views, shown = [params.x, params.y], "xy"
        if is_flipped:
            views, shown = views[::-1], "yx"
        labels = [_label(plot, s, n) for s, n in zip(scales, shown, strict=True)]
        zones = [_zone(plot, name, s) for name, s in zip("xy", scales, strict=True)]
        x, y = map(_read_scale, scales, views, labels, zones)
        return cls(plot, row, x, y, is_flipped)

    def content(self, title: str, base: int) -> AxesContent:
        """Return the content of the panel; *title* is that of the plot."""
        found = [self._layer(layer) for layer in self.plot.layers]
        shown = {"x": self.x.dimension, "y": self.y.dimension}
        if self.is_flipped:
            shown = {"x": self.y.dimension, "y": self.x.dimension}
        facets = [plain(self.row[name]) for name in self.row if name not in _LAYOUT]
        return AxesContent(
            " / ".join(filter(None, (title, *facets))),
            shown,
            tuple(series for layer in found for series in layer),
            tuple(text for layer in self.plot.layers for text in self._texts(layer)),
            tuple(guide for layer in self.plot.layers for guide in self._guides(layer)),
            base,
        )

    def _rows(self, layer: Any) -> Any:
        data = layer.data
        return data[data["PANEL"] == self.row["PANEL"]] if "PANEL" in data else data

    def _texts(self, layer: Any) -> Iterator[str]:
        rows = self._rows(layer)
        if "label" in rows and _is(layer.geom, "geom_text"):
            yield from dict.fromkeys(plain(label) for label in rows["label"])

    def _guides(self, layer: Any) -> Iterator[Guide]:
        rows = self._rows(layer)
        for name, scale in (("x", self.x), ("y", self.y)):
            if f"{name}intercept" in rows:
                shown = {"x": "y", "y": "x"}[name] if self.is_flipped else name
                for place in scale.decode(rows[f"{name}intercept"].unique()).tolist():
                    yield Guide("line", shown, (float(place),), "")

    def _layer(self, layer: Any) -> Iterator[Series]:
        rows = self._rows(layer)
        if any(_is(layer.geom, name) for name in _EMPTY) or not len(rows):
            return
        kind = next((k for n, k in _KINDS.items() if _is(layer.geom, n)), "shape")
        if kind == "bar" and _is(layer.stat, "stat_bin"):
            kind = "histogram"
        if kind == "tile" or _is(layer.stat, "stat_bin_2d"):
            yield self._tile(layer, rows)
            return
        groups = list(self._groups(layer, rows, kind))
        if kind == "area" and len(groups) > 1 and _is(layer.position, "position_stack"):
            kind = "stacked_area"
        for label, group in groups:
            yield from self._series(kind, label, group, layer)

    def _groups(self, layer: Any, rows: Any, kind: str) -> Iterator[tuple[str, Any]]:
        """Yield the rows by name in the legend, or by line."""
        names = self._legend(rows)
        if names is not None:
            for name in dict.fromkeys(names):
                yield name, rows[[one == name for one in names]]
        elif kind in {"line", "area"} and "group" in rows:
            yield from (("", group) for _, group in rows.groupby("group", sort=False))
        else:
            yield "", rows

    def _legend(self, rows: Any) -> list[str] | None:
        """Return the name of each row by its color, fill, shape or line type."""
        for scale in self.plot.scales:
            aesthetic = scale.aesthetics[0]
            if "discrete" not in _family(scale) or aesthetic not in rows:
                continue
            if aesthetic in {"x", "y"} or not len(names := list(scale.final_limits)):
                continue
            keys = dict(
                zip(map(str, scale.map(names)), map(plain, names), strict=False)
            )
            found = [keys.get(str(value)) for value in rows[aesthetic]]
            if len(keys) == len(names) and None not in found:
                return [str(name) for name in found]
        return None

    def _series(self, kind: str, label: str, rows: Any, layer: Any) -> Iterator[Series]:
        y = {name: name for name in ("ymin", "ymax", "y") if name in rows}
        if kind == "line":
            if _is(layer.geom, "geom_smooth") and "ymin" in y:
                band = {"x": "x", "y_low": "ymin", "y_high": "ymax"}
                yield self._make("area", label, rows, band, layer)
            yield self._make("line", label, rows, {"x": "x", "y": "y"}, layer)
        elif kind in {"bar", "histogram"}:
            yield self._bars(kind, label, rows, layer)
        elif kind == "box":
            yield self._make("box", label, rows, {"x": "x", **_BOX}, layer)
        elif kind == "violin":
            yield self._violins(label, rows, layer)
        elif kind in {"area", "stacked_area"} and "ymax" in y:
            yield self._area(kind, label, rows, layer)
        elif kind == "errorbar" and "ymin" in y:
            names = {"x": "x", "y": "y", "y_low": "ymin", "y_high": "ymax"}
            known = {name: column for name, column in names.items() if column in rows}
            yield self._make("errorbar", label, rows, known, layer)
        elif kind in {"scatter", "label"} and {"x", "y"} <= set(rows):
            yield self._make(kind, label, rows, self._places(layer), layer)
        else:
            yield Series("shape", label, len(rows), {})

    def _bars(self, kind: str, label: str, rows: Any, layer: Any) -> Series:
        low, high = (self.y.decode(rows[name]) for name in ("ymin", "ymax"))
        heights = find_simplest(
            np.asarray(high - low, float), lambda found: low + found == high
        )
        below = np.asarray(rows["y"], float) == np.asarray(rows["ymin"], float)
        values = {
            "x": self.x.decode(rows["x"]),
            "y": to_integers(np.where(below, -heights, heights)),
        }
        if kind == "histogram":
            values["x_from"] = self.x.decode(rows["xmin"])
            values["x_to"] = self.x.decode(rows["xmax"])
        bases = np.where(below, high, low)
        if bases.any():
            values["y_base"] = bases
        return self._finish(kind, label, len(rows), dict(sorted(values.items())), layer)

    def _places(self, layer: Any) -> Mapping[str, str]:
        """Return the columns of points, without those changed by a jitter."""
        scales = {"x": self.x, "y": self.y}
        if not _is(layer.position, "position_jitter"):
            return {"x": "x", "y": "y"}
        return {name: name for name, s in scales.items() if s.dimension.names}

    def _area(self, kind: str, label: str, rows: Any, layer: Any) -> Series:
        if kind == "area":
            names = {"x": "x", "y_low": "ymin", "y_high": "ymax"}
            return self._make(kind, label, rows, names, layer)
        low, high = (self.y.decode(rows[name]) for name in ("ymin", "ymax"))
        own = np.asarray(high - low, float)
        heights = to_integers(find_simplest(own, lambda found: low + found == high))
        values = {"x": self.x.decode(rows["x"]), "y": heights}
        return self._finish(kind, label, len(rows), values, layer)

    def _violins(self, label: str, rows: Any, layer: Any) -> Series:
        places = self.x.decode(np.unique(rows["x"]))
        return self._finish("violin", label, len(places), {"x": places}, layer)

    def _tile(self, layer: Any, rows: Any) -> Series:
        x, y = (
            rows[n] if n in rows else (rows[f"{n}min"] + rows[f"{n}max"]) / 2
            for n in "xy"
        )
        values = {"x": self.x.decode(x), "y": self.y.decode(y)}
        if (found := self._fills(layer, rows)) is not None:
            values["value"] = found
        label = plain(getattr(self.plot.labels, "fill", None) or "")
        label = "" if "value" not in values else label
        made = self._finish("tile", "", len(rows), values, layer)
        return Series("tile", "", made.count, made.columns, value_label=label)

    def _fills(self, layer: Any, rows: Any) -> Values | None:
        """Return the values shown as colors of tiles, if known."""
        if "count" in rows and _is(layer.stat, "stat_bin_2d"):
            return np.asarray(rows["count"])
        mapping = {**self.plot.mapping, **layer.mapping}
        data = self.plot.data if not len(getattr(layer, "_data", ()) or ()) else None
        names = [mapping.get(name) for name in ("x", "y", "fill")]
        if data is None or any(not isinstance(n, str) or n not in data for n in names):
            return None
        table = data[names].dropna()
        values = table[names[2]]
        if len(table) != len(rows) or values.dtype.kind not in "iuf":
            return None
        # If rows are in the order of the data, their places are equal.
        places = [
            self._positions(s, table[n])
            for s, n in ((self.x, names[0]), (self.y, names[1]))
        ]
        drawn = [np.asarray(rows[name], float) for name in ("x", "y")]
        is_same = all(np.array_equal(p, d) for p, d in zip(places, drawn, strict=True))
        return np.asarray(values) if is_same else None

    @staticmethod
    def _positions(scale: _Scale, column: Any) -> Values:
        if scale.dimension.names is None:
            return (
                np.asarray(column, float)
                if column.dtype.kind in "iuf"
                else np.array([])
            )
        places = {name: place for place, name in scale.dimension.names.items()}
        return np.array([places.get(plain(value), np.nan) for value in column], float)

    def _make(
        self, kind: str, label: str, rows: Any, names: Mapping[str, str], layer: Any
    ) -> Series:
        values = {
            name: (self.x if name[0] == "x" else self.y).decode(rows[column])
            for name, column in names.items()
        }
        return self._finish(kind, label, len(rows), values, layer)

    def _finish(
        self,
        kind: str,
        label: str,
        count: int,
        values: Mapping[str, Values],
        layer: Any,
    ) -> Series:
        """Return a series with directions as on the screen."""
        columns = {name: self._column(name, found) for name, found in values.items()}
        across = "x"
        if self.is_flipped:
            swap = {"x": "y", "y": "x"}
            columns = {swap.get(n[0], n[0]) + n[1:]: c for n, c in columns.items()}
            across = "y"
        ordered = {
            name: columns[name] for name in sorted(columns, key=get_column_order)
        }
        return Series(kind, label, count, ordered, across=across)

    def _column(self, name: str, values: Values) -> Column:
        if name == "value":
            return Column(values)
        scale = self.x if name[0] == "x" else self.y
        names = scale.dimension.names
        if names is None or "_" in name:
            return Column(values, scale.dimension)
        nearest = [
            names.get(place) for place in np.round(values.astype(float)).tolist()
        ]
        exact = None if None in nearest else np.array(nearest, object)
        return Column(values, scale.dimension, exact)


def _label(plot: Any, scale: Any, shown: str) -> str:
    name = getattr(scale, "name", None) or getattr(plot.labels, shown, None)
    return plain(name or "")


def _zone(plot: Any, aesthetic: str, scale: Any) -> Any:
    """Return the time zone of the data; plotnine uses UTC for times without one."""
    name = plot.mapping.get(aesthetic)
    if isinstance(name, str) and name in plot.data:
        return getattr(plot.data[name].dtype, "tz", None)
    zone = getattr(_transformation(scale), "tz", None)
    return None if str(zone) == "UTC" else zone


def _is(thing: Any, name: str) -> bool:
    return any(base.__name__ == name for base in type(thing).__mro__)


def _family(scale: Any) -> str:
    return " ".join(base.__name__ for base in type(scale).__mro__)
