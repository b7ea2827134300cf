"""A figure's content, read from the figure: in words, and as data.

It reads Matplotlib's objects inside the figure lock and changes none. It imports
``limits`` and ``errors``, and neither Flask, ``cache``, ``http`` nor ``settings``.
``axes_reader`` and ``artists`` read the artists, ``axis_values`` gives their numbers a
meaning, ``bounding_boxes`` clips them, and ``sentences`` states facts with a source.
"""
