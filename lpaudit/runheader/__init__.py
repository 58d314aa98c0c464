"""In the process of a flow run: have each request of Prefect's client say which run makes it.

This folder alone, as a package ``lpaudit_prefect`` of its own, is what users install where
their flows run (see plugin_wheel.py). So it imports the standard library and Prefect, nothing
of lpaudit, and runs on every Python that Prefect 3 runs on.
"""
