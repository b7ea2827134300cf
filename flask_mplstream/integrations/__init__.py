"""Integrations with optional packages, which each module imports itself.

This package imports ``web`` and lower layers. Nothing else imports it.
"""
