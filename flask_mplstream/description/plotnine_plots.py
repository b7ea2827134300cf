"""Reads plotnine's plots, which keep names and values that their artists lose.

Description layer. plotnine draws transformed numbers, so only the plot's scales know
dates, logarithms and categories. The layers, scales, labels and facets of the built
plot are public; the figure's layout engine holds that plot.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from .axis_values import (
    Dimension,
    Span,
    Values,
    decode_days,
    find_simplest,
    match_ticks,
    to_integers,
)
from .plain_text import to_plain
from .series import (
    AxesContent,
    Column,
    Content,
    Guide,
    Series,
    get_column_order,
    get_other,
)
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
#: Columns of the data by column of a series.
_POINT = {"x": "x", "y": "y"}
_EDGES = {"x": "x", "y_low": "ymin", "y_high": "ymax"}
_BOX = {
    "x": "x",
    "y_low": "ymin",
    "y_quarter": "lower",
    "y_median": "middle",
    "y_three_quarters": "upper",
    "y_high": "ymax",
}
_EMPTY = ("geom_hline", "geom_vline", "geom_abline", "geom_blank")


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
    return [panel.read(title, first + n) for n, panel in enumerate(panels)]


def _read_label(plot: Any, name: str) -> str:
    return to_plain(getattr(plot.labels, name, None) or "")


@dataclass(frozen=True, slots=True)
class _Scale:
    """A trained position scale."""

    scale: Any
    dimension: Dimension

    def decode(self, values: Any) -> Values:
        """Convert drawn numbers to data units; dates remain days."""
        numbers = np.asarray(values, float)
        trans = _find_transformation(self.scale)
        if trans is None or self.dimension.dates is not None:
            return to_integers(numbers)
        with np.errstate(all="ignore"):
            data = np.asarray(trans.inverse(numbers), float)
            exact = find_simplest(
                data, lambda found: np.asarray(trans.transform(found)) == numbers
            )
        return to_integers(exact)


def _find_transformation(scale: Any) -> Any:
    """Return the transformation of a continuous scale, if not the identity."""
    trans = getattr(scale, "_trans", None)
    return None if type(trans).__name__ in {"identity_trans", "NoneType"} else trans


def _read_scale(scale: Any, view: Any, label: str, zone: Any) -> _Scale:
    trans = _find_transformation(scale)
    name = type(trans).__name__
    limits = np.asarray(view.range, float)
    names = _read_names(scale)
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


def _read_names(scale: Any) -> dict[float, str] | None:
    """Return the names of a discrete scale by place."""
    if "discrete" not in type(scale).__name__:
        return None
    limits = list(getattr(scale, "final_limits", ()))
    return {number: to_plain(name) for number, name in enumerate(limits, 1)}


@dataclass(frozen=True, slots=True)
class _Panel:
    """One panel of a plot."""

    plot: Any
    row: Mapping[str, Any]
    #: By direction in the data, ``x`` and ``y``.
    scales: Mapping[str, _Scale]
    #: Whether the coordinates are flipped on the screen.
    is_flipped: bool

    @classmethod
    def of(cls, plot: Any, row: Mapping[str, Any], number: int) -> _Panel:
        layout, params = plot.layout, plot.layout.panel_params[number]
        is_flipped = "flip" in type(plot.coordinates).__name__
        scales = {}
        for name in "xy":
            known = getattr(layout, f"panel_scales_{name}")
            scale = known[int(row[f"SCALE_{name.upper()}"]) - 1]
            shown = get_other(name) if is_flipped else name
            label = to_plain(getattr(scale, "name", None) or "")
            label = label or _read_label(plot, shown)
            zone = _find_zone(plot, name, scale)
            scales[name] = _read_scale(scale, getattr(params, shown), label, zone)
        return cls(plot, row, scales, is_flipped)

    def read(self, title: str, base: int) -> AxesContent:
        """Return the content of the panel; *title* is that of the plot."""
        layers = self.plot.layers
        x, y = (scale.dimension for scale in self.scales.values())
        facets = [to_plain(self.row[name]) for name in self.row if name not in _LAYOUT]
        return AxesContent(
            " / ".join(filter(None, (title, *facets))),
            {"x": y, "y": x} if self.is_flipped else {"x": x, "y": y},
            tuple(chain.from_iterable(map(self._read_layer, layers))),
            tuple(chain.from_iterable(map(self._read_texts, layers))),
            tuple(chain.from_iterable(map(self._read_guides, layers))),
            base,
        )

    def _select_rows(self, layer: Any) -> Any:
        data = layer.data
        return data[data["PANEL"] == self.row["PANEL"]] if "PANEL" in data else data

    def _read_texts(self, layer: Any) -> Iterator[str]:
        rows = self._select_rows(layer)
        if "label" in rows and _is(layer.geom, "geom_text"):
            yield from dict.fromkeys(map(to_plain, rows["label"]))

    def _read_guides(self, layer: Any) -> Iterator[Guide]:
        rows = self._select_rows(layer)
        for name, scale in self.scales.items():
            if f"{name}intercept" in rows:
                shown = get_other(name) if self.is_flipped else name
                for place in scale.decode(rows[f"{name}intercept"].unique()).tolist():
                    yield Guide("line", shown, (float(place),), "")

    def _read_layer(self, layer: Any) -> Iterator[Series]:
        rows = self._select_rows(layer)
        if any(_is(layer.geom, name) for name in _EMPTY) or not len(rows):
            return
        kind = next((k for n, k in _KINDS.items() if _is(layer.geom, n)), "shape")
        if kind == "bar" and _is(layer.stat, "stat_bin"):
            kind = "histogram"
        if kind == "tile" or _is(layer.stat, "stat_bin_2d"):
            yield self._read_tiles(layer, rows)
            return
        groups = list(self._group(rows, kind))
        if kind == "area" and len(groups) > 1 and _is(layer.position, "position_stack"):
            kind = "stacked_area"
        if kind == "line" and _is(layer.geom, "geom_smooth") and "ymin" in rows:
            for label, group in groups:
                yield self._make("area", label, group, _EDGES)
                yield self._make("line", label, group, _POINT)
            return
        for label, group in groups:
            yield self._read_group(kind, label, group, layer)

    def _group(self, rows: Any, kind: str) -> Iterator[tuple[str, Any]]:
        """Yield the rows by name in the legend, or by line."""
        names = self._find_names(rows)
        if names is not None:
            for name in dict.fromkeys(names):
                yield name, rows[[one == name for one in names]]
        elif kind in {"line", "area"} and "group" in rows:
            yield from (("", group) for _, group in rows.groupby("group", sort=False))
        else:
            yield "", rows

    def _find_names(self, rows: Any) -> list[str] | None:
        """Return the name of each row by its color, fill, shape or line type."""
        for scale in self.plot.scales:
            aesthetic = scale.aesthetics[0]
            bases = " ".join(base.__name__ for base in type(scale).__mro__)
            if "discrete" not in bases or aesthetic not in rows:
                continue
            if aesthetic in {"x", "y"} or not len(names := list(scale.final_limits)):
                continue
            keys = dict(
                zip(map(str, scale.map(names)), map(to_plain, names), strict=False)
            )
            found = [keys.get(str(value)) for value in rows[aesthetic]]
            if len(keys) == len(names) and None not in found:
                return [str(name) for name in found]
        return None

    def _read_group(self, kind: str, label: str, rows: Any, layer: Any) -> Series:
        """Return one series of *layer*; ``shape`` if its columns are unknown."""
        columns: Mapping[str, Any] = {}
        if kind in {"bar", "histogram"}:
            columns = self._read_bars(kind, rows)
        elif kind == "violin":
            columns = {"x": self.scales["x"].decode(np.unique(rows["x"]))}
            return self._make(kind, label, columns["x"], columns)
        elif kind == "stacked_area" and "ymax" in rows:
            heights = to_integers(self._read_heights(rows))
            columns = {"x": "x", "y": heights}
        elif kind == "errorbar" and "ymin" in rows:
            columns = {n: c for n, c in (_POINT | _EDGES).items() if c in rows}
        elif kind in {"scatter", "label"} and {"x", "y"} <= set(rows):
            is_moved = _is(layer.position, "position_jitter")
            known = [n for n, s in self.scales.items() if s.dimension.names]
            columns = {n: n for n in (known if is_moved else "xy")}
            return self._make(kind, label, rows, columns)
        elif kind == "line" or kind == "box" or (kind == "area" and "ymax" in rows):
            columns = {"line": _POINT, "box": _BOX, "area": _EDGES}[kind]
        return self._make(kind if columns else "shape", label, rows, columns)

    def _read_heights(self, rows: Any) -> Values:
        low, high = (self.scales["y"].decode(rows[name]) for name in ("ymin", "ymax"))
        estimates = np.asarray(high - low, float)
        return find_simplest(estimates, lambda found: low + found == high)

    def _read_bars(self, kind: str, rows: Any) -> dict[str, Any]:
        low, high = (self.scales["y"].decode(rows[name]) for name in ("ymin", "ymax"))
        heights = self._read_heights(rows)
        below = np.asarray(rows["y"], float) == np.asarray(rows["ymin"], float)
        columns = {"x": "x", "y": to_integers(np.where(below, -heights, heights))}
        if kind == "histogram":
            columns |= {"x_from": "xmin", "x_to": "xmax"}
        bases = np.where(below, high, low)
        return columns | ({"y_base": bases} if bases.any() else {})

    def _read_tiles(self, layer: Any, rows: Any) -> Series:
        columns = {
            name: scale.decode(
                rows[name]
                if name in rows
                else (rows[f"{name}min"] + rows[f"{name}max"]) / 2
            )
            for name, scale in self.scales.items()
        }
        values = self._read_fills(layer, rows)
        if values is None:
            return self._make("tile", "", rows, columns)
        label = _read_label(self.plot, "fill")
        columns["value"] = values
        return self._make("tile", "", rows, columns, value_label=label)

    def _read_fills(self, layer: Any, rows: Any) -> Values | None:
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
        is_same = all(
            np.array_equal(
                self._find_places(scale, table[own]), rows[name].astype(float)
            )
            for (name, scale), own in zip(self.scales.items(), names, strict=False)
        )
        return np.asarray(values) if is_same else None

    @staticmethod
    def _find_places(scale: _Scale, column: Any) -> Values:
        if scale.dimension.names is None:
            return (
                np.asarray(column, float)
                if column.dtype.kind in "iuf"
                else np.array([])
            )
        places = {name: place for place, name in scale.dimension.names.items()}
        return np.array(
            [places.get(to_plain(value), np.nan) for value in column], float
        )

    def _make(
        self,
        kind: str,
        label: str,
        rows: Any,
        columns: Mapping[str, Any],
        value_label: str = "",
    ) -> Series:
        """Return a series with directions as on the screen.

        :param rows: one for each item.
        :param columns: numbers, or names of columns in *rows*, by name in the series.
        """
        made = {}
        for name, values in columns.items():
            if isinstance(values, str):
                values = self.scales[name[0]].decode(rows[values])
            is_swapped = self.is_flipped and name[0] in "xy"
            shown = f"{get_other(name[0])}{name[1:]}" if is_swapped else name
            made[shown] = self._make_column(name, values)
        ordered = {name: made[name] for name in sorted(made, key=get_column_order)}
        across = "y" if self.is_flipped else "x"
        return Series(kind, label, len(rows), ordered, value_label, across=across)

    def _make_column(self, name: str, values: Values) -> Column:
        if name == "value":
            return Column(values)
        dimension = self.scales[name[0]].dimension
        if dimension.names is None or "_" in name:
            return Column(values, dimension)
        nearest = np.round(values.astype(float))
        return Column(values, dimension, match_ticks(dimension.names, nearest))


def _find_zone(plot: Any, aesthetic: str, scale: Any) -> Any:
    """Return the time zone of the data; plotnine uses UTC for times without one."""
    name = plot.mapping.get(aesthetic)
    if isinstance(name, str) and name in plot.data:
        return getattr(plot.data[name].dtype, "tz", None)
    zone = getattr(_find_transformation(scale), "tz", None)
    return None if str(zone) == "UTC" else zone


def _is(thing: Any, name: str) -> bool:
    return any(base.__name__ == name for base in type(thing).__mro__)
