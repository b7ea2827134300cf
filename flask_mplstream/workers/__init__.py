"""Where a render runs."""
