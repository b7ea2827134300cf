"""Run a render in this process, in a worker process or on an executor.

This package imports ``rendering``, ``limits`` and the layers below them. It uses
Flask's app context, but not the request.
"""
