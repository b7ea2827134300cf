"""The arguments of a figure function: signature, parsing from URLs, JSON Schema.

Values layer: pydantic and the standard library. Of the package, it imports only
``errors``.
"""
