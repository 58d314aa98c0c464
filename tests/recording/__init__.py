"""A real recording: Prefect's server and workers, lighttpd in front of them, and the truth about who did what.

The truth does not come from the log, nor from lpaudit: each process says which one it is in a
header of its own, X-Rig-Process, which is cut out of the log before anybody reads it; the flows
say from inside which run they are and which process they are in.
"""
