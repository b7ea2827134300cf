"""The Flask side of a request: routes, views, responses, URLs and the app's state.

This package may import ``workers``, ``rendering``, ``description``, ``cache``,
``limits``, ``http``, ``parameters``, ``settings`` and the modules below them. It
doesn't generate any HTML.
"""
