"""Apps and figures of the tests; servers and workers import them by name."""
