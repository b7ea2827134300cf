"""A figure function's arguments: its signature, the texts of a URL, their schema.

Values: pydantic and the standard library. It imports only ``errors``.
"""
