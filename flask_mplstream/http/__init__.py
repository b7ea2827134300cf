"""HTTP as functions of values: negotiation, preconditions, headers, problems.

Header names, status codes and query strings belong here. Imports ``formats``,
``errors`` and Werkzeug's parsers, but not Flask, Matplotlib or ``cache``.
"""
