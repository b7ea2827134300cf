"""Limits of a render: its time, its bytes, and how many run at once.

Values and threads. It imports ``formats``, ``forks`` and ``errors``, and neither Flask
nor Matplotlib.
"""
