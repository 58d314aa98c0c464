"""Serve flows from one process: ``serving.py NAME FLOW …``."""

import sys

import flows
from prefect import serve

if __name__ == "__main__":
    serve(*(getattr(flows, flow).to_deployment(sys.argv[1]) for flow in sys.argv[2:]), limit=4)
