"""Other packages that an app may use: each module imports its own extra.

It imports ``web`` and the rooms below it. Nothing in the package imports it.
"""
