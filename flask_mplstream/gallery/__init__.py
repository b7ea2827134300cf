"""The gallery, which has an index of all figures and a page for each of them.

This package imports ``html``, ``web`` and lower layers. Only the blueprint imports it.
"""
