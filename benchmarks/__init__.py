"""Programs that measure the package's promises; benchmarks/README.md lists them."""
