"""Figures on pages, with the markup, forms, scripts and styles for them.

This package imports ``web`` and lower layers. The gallery and the CLI use it.
"""
