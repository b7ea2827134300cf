"""Describe the content of a figure in words and as data.

This package reads Matplotlib's objects inside the figure lock, but doesn't change them.
It imports ``limits`` and ``errors``, but not Flask, ``cache``, ``http`` or
``settings``. ``axes_reader`` and ``artists`` read the artists, ``axis_values``
interprets their numbers, ``bounding_boxes`` clips them, and ``sentences`` states facts
about them.
"""
