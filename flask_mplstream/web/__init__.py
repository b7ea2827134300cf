"""The Flask side of a request: routes, views, responses, URLs, an app's state.

It may import ``workers``, ``rendering``, ``description``, ``cache``, ``limits``,
``http``, ``parameters``, ``settings`` and the modules below them. It writes no HTML.
"""
