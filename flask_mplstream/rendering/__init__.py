"""Turn a figure into bytes: the lock, styles, drawing and encoding.

Only ``rendering`` and ``description`` import Matplotlib. ``rendering`` may import
``description``, ``limits``, ``parameters``, ``formats``, ``forks`` and ``errors``, but
not Flask, ``cache``, ``http`` or ``settings``.
"""
