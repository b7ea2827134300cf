"""Keys, entries, backends, flights and leases: a picture from the store or one render.

The package receives the time and a function that makes an image. It imports ``limits``,
``formats``, ``forks``, ``errors`` and Flask-Caching's backends, but neither Flask nor
Matplotlib. ``freshness``, ``store`` and ``single_flight`` do not import each other.
"""
