"""The data: Matplotlib's samples, read once."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from math import cos, radians
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
from matplotlib.cbook import get_sample_data
from numpy.typing import NDArray

Ticker = Literal["AAPL", "ADBE", "AMZN", "DELL", "GOOGL", "IBM", "MSFT", "XRX"]

TICKERS: tuple[Ticker, ...] = get_args(Ticker)

COMPANIES: Mapping[Ticker, str] = {
    "AAPL": "Apple",
    "ADBE": "Adobe",
    "AMZN": "Amazon",
    "DELL": "Dell",
    "GOOGL": "Alphabet",
    "IBM": "IBM",
    "MSFT": "Microsoft",
    "XRX": "Xerox",
}

METRES_PER_DEGREE = 111_200.0


@dataclass(frozen=True)
class Prices:
    """The share prices of a company."""

    dates: NDArray[np.datetime64]
    #: Adjusted for splits and dividends.
    dollars: NDArray[np.float64]


@cache
def read_stocks() -> Mapping[Ticker, Prices]:
    """Return monthly prices from 1990 to 2022, from Yahoo Finance.

    A company has no prices before it went public, and some rows have none at all.
    """
    lines = _find_path("Stocks.csv").read_text().splitlines()
    rows = list(csv.DictReader(line for line in lines if not line.startswith("#")))
    return {ticker: _parse_prices(rows, ticker) for ticker in TICKERS}


def _parse_prices(rows: list[dict[str, str]], ticker: Ticker) -> Prices:
    known = [row for row in rows if row[ticker]]
    return Prices(
        np.array([row["Date"] for row in known], "datetime64[D]"),
        np.array([row[ticker] for row in known], np.float64),
    )


@dataclass(frozen=True)
class Terrain:
    """Heights on a grid; the first row is the northernmost."""

    elevation_m: NDArray[np.int16]
    #: Distance between adjacent columns and between adjacent rows.
    dx_m: float
    dy_m: float


@cache
def read_terrain() -> Terrain:
    """Return the land around the Jacksboro fault in Tennessee."""
    with np.load(_find_path("jacksboro_fault_dem.npz")) as dem:
        latitude = radians((dem["ymin"] + dem["ymax"]) / 2)
        return Terrain(
            dem["elevation"],
            float(dem["dx"]) * METRES_PER_DEGREE * cos(latitude),
            float(dem["dy"]) * METRES_PER_DEGREE,
        )


def _find_path(name: str) -> Path:
    path: Any = get_sample_data(name, asfileobj=False)
    return Path(path)
