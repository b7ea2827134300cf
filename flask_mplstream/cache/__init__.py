"""Get a picture from the store, or render it once for all callers.

The time and a function that creates an image are passed to this package. It imports
``limits``, ``formats``, ``forks``, ``errors`` and the backends of Flask-Caching, but
not Flask or Matplotlib. ``freshness``, ``store`` and ``single_flight`` must not import
each other.
"""
