"""HTTP as functions of values: negotiation, preconditions, headers, problems.

The only room with header names, status codes and query strings. It imports ``formats``,
``errors`` and werkzeug's parsers, and neither Flask, Matplotlib nor the cache.
"""
