"""Limits on renders: time, bytes, memory, number at once, and time per client.

Values and threads. It imports ``formats``, ``forks`` and ``errors``. Only
``client_budget`` imports Flask and ``cache``; nothing here may import Matplotlib.
"""
