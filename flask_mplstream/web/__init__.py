"""The Flask side of a request: routes, views, responses, URLs, an app's state.

It imports every room below it: ``workers``, ``rendering``, ``cache``, ``http``,
``limits`` and ``parameters``. It writes no HTML.
"""
