"""Functions that decide how to respond to a request, based on plain values.

All header names, status codes and query strings belong here. This package imports
``formats``, ``errors`` and the parsers of Werkzeug, but not Flask, Matplotlib or
``cache``.
"""
