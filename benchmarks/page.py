"""The cost of a page of figures in the template, and the bytes of its pictures.

Twenty figures that are already in the cache, in one Jinja page of one process:

* figure: ``{{ figure('plots.walk', n=n, alt=…) }}``, with size and alternative text
  read from the cache, two formats, two densities, light and dark
* by hand: the same markup from a Jinja macro with ``url_for``, which knows neither
  the size nor the text and checks no argument
* img: the minimum, ``<img src="{{ url_for(…) }}" alt="…">``

Then the bytes that a browser loads for the example app's figures, by format.

    python -m benchmarks.page [--rounds 40]
"""

from __future__ import annotations

from functools import partial

from flask import Flask, render_template_string
from matplotlib.figure import Figure

from benchmarks._pairs import (
    Result,
    median_ratio,
    print_table,
    read_rounds,
    time_in_turns,
)
from example_app import create_app
from flask_mplstream import FigureBlueprint

COUNT = 20
OURS = "{% for n in range(20) %}{{ figure('plots.walk', n=n) }}{% endfor %}"
LEAST = """{% for n in range(20) %}
<img src="{{ url_for('plots.walk', n=n) }}" alt="A walk">{% endfor %}"""
BY_HAND = """
{%- macro srcset(n, format, theme=none) -%}
{%- for scale in (1, 2) -%}
{{ url_for('plots.walk', n=n, _format=format, _scale=scale, _theme=theme) }}
{{- ' ' }}{{ scale }}x{{ ', ' if not loop.last }}{%- endfor -%}
{%- endmacro -%}
{% for n in range(20) %}<picture>
{%- for theme in ('dark', none) %}{% for format in ('webp', 'png') %}
<source type="image/{{ format }}" srcset="{{ srcset(n, format, theme) }}"
  {%- if theme %} media="(prefers-color-scheme: dark)"{% endif %}>
{%- endfor %}{% endfor -%}
<img src="{{ url_for('plots.walk', n=n) }}" alt="A walk" loading="lazy"
  decoding="async"></picture>{% endfor %}"""


def create_page_app() -> Flask:
    """Create an app with a figure of two themes."""
    plots = FigureBlueprint("plots", __name__, dark_style=True, max_age=24 * 3600)

    @plots.figure_route("/walk")
    def walk(n: int = 100) -> Figure:
        """Draw a walk."""
        figure = Figure(figsize=(4, 3))
        figure.subplots().plot(range(n + 2))
        return figure

    app = Flask("page")
    app.register_blueprint(plots)
    return app


def main() -> None:
    """Measure and print."""
    rounds = read_rounds(__doc__, 40)
    app = create_page_app()
    pages = {"figure": OURS, "by hand": BY_HAND, "img": LEAST}
    with app.test_request_context():
        contenders = {n: partial(render_template_string, p) for n, p in pages.items()}
        times = time_in_turns(contenders, rounds, calls=3)
    print_table(
        f"A page of {COUNT} figures, times within a round",
        [
            Result(
                "figure() / the same by hand", median_ratio(times, "figure", "by hand")
            ),
            Result("figure() / least img", median_ratio(times, "figure", "img")),
            Result("ms for each figure()", min(times["figure"]) / COUNT * 1e3),
            Result("ms for each by hand", min(times["by hand"]) / COUNT * 1e3),
        ],
    )
    client = create_app({"REDIS_URL": ""}).test_client()
    for name in ("scatter", "prices", "relief", "identity"):
        sizes = {
            format: len(client.get(f"/plots/{name}.{format}?_scale=2").data) / 1000
            for format in ("png", "webp", "avif")
        }
        print_table(
            f"{name} at two pixels per pixel, kB",
            [Result(format, kb, form=".1f") for format, kb in sizes.items()],
        )


if __name__ == "__main__":
    main()
