"""Freshness and storage of rendered pictures; no Flask views, no Matplotlib."""
