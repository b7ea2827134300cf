"""``flask figures …``: one module for each command, and their shared parts.

It imports ``html``, ``web`` and the rooms below them. Only the blueprint imports it.
Wrong usage ends with exit code 2, a failure with 1.
"""
