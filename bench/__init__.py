"""Measures lpaudit under load: `make bench-follow`."""
