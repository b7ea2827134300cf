"""Limits on renders: time, bytes, memory, number at once, and time per client.

Values and threads. It imports ``formats``, ``forks`` and ``errors``; nothing here may
import Flask, Matplotlib or ``cache``.
"""
