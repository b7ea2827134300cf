"""Figures in pages: ``figure()``, its markup, inline SVG, forms, scripts and styles.

Imports ``web`` and lower layers. The gallery and the CLI use it.
"""
