"""Figure -> bytes: the figure lock, styles, drawing, encoding, error images.

With ``description``, the only room that imports Matplotlib. It needs no app: it imports
``description``, ``limits``, ``parameters``, ``formats``, ``forks`` and ``errors``, and
neither Flask, ``cache``, ``http`` nor ``settings``.
"""
