"""The gallery: an index of all figures, and a page with controls for each.

Imports ``html``, ``web`` and lower layers. Only the blueprint imports it.
"""
