"""The gallery: an index of all figures, and a page with controls for each.

It imports ``html``, ``web`` and the rooms below them. Only the blueprint imports it.
"""
