"""Who watches a follower: logs on stderr, Prometheus metrics, systemd.

Observers all: a follower tells them what happens, and none of them can stop it. Nothing is
imported here, so that the command line's options cost no time: the one to call is
``lpaudit.watch.watchers.watchers``.
"""
