"""Code that tests share, as no test imports another test."""
