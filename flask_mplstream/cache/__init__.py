"""From the store, or from one render: keys, entries, backends, flights, leases.

It receives a function that makes an image, and the time. It imports ``limits``,
``formats``, ``forks``, ``errors`` and Flask-Caching's backends, and neither Flask nor
Matplotlib. ``freshness``, ``store`` and ``single_flight`` do not import each other.
"""
