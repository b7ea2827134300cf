"""The arguments of a figure function, which are parsed from URLs.

Values layer. It only imports pydantic, the standard library and ``errors``.
"""
