"""Integrations with optional packages; each module imports its own extra.

Imports ``web`` and lower layers. No other module of the package imports it.
"""
