"""The place of a render: this process, a worker process or an executor.

Imports ``rendering``, ``limits`` and the layers below them. Uses Flask's app context,
never the request.
"""
