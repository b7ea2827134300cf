"""Where a render runs: in this process, in a worker, or on an executor.

It imports ``rendering``, ``limits`` and the rooms below them. Of Flask it uses the app
context, never the request.
"""
