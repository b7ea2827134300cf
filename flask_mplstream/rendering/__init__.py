"""Figure -> bytes: the figure lock, styles, drawing, encoding, error images.

Only ``rendering`` and ``description`` import Matplotlib. ``rendering`` may import
``description``, ``limits``, ``parameters``, ``formats``, ``forks`` and ``errors``, but
not Flask, ``cache``, ``http`` or ``settings``.
"""
