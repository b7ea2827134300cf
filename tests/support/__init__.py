"""Code that several tests share. It has no tests, and no test imports another test."""
