"""Measures lpaudit: `make bench` how fast it ingests, `make bench-follow` how it follows under load."""
