"""The content of a figure, in words and as data.

Reads Matplotlib's objects inside the figure lock and changes none. Imports ``limits``
and ``errors``, but neither Flask, ``cache``, ``http`` nor ``settings``. ``axes_reader``
and ``artists`` read the artists, ``axis_values`` interprets their numbers,
``bounding_boxes`` clips them, and ``sentences`` states facts about them.
"""
