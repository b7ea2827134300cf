"""Apps and figures of the tests, also for servers and workers to import by name."""
