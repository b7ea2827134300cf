"""Limit the time, the memory, the size and the number of renders.

This package uses values and threads. It imports ``formats``, ``forks`` and ``errors``,
but must not import Flask, Matplotlib or ``cache``.
"""
