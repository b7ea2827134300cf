"""Figures in pages: ``figure()``, its markup, inline SVG, forms, scripts and styles.

It imports ``web`` and the rooms below it. The gallery and the CLI use it.
"""
