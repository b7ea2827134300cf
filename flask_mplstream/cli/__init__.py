"""The commands of ``flask figures``, one module each, and their shared parts.

Imports ``html``, ``web`` and the layers below them. Only the blueprint imports it.
Wrong usage ends with exit code 2, a failure with 1.
"""
