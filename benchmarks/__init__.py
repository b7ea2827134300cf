"""Programs that measure the promises; benchmarks/README.md lists them."""
