"""Whoever watches hears everything, in the same words."""

import inspect
import threading

from watch.told import EVERYTHING, tell_everything

from lpaudit.model import Observer
from lpaudit.watch.observers import Observers


class Recorder:
    """Remembers what it was told."""

    def __init__(self):
        self.heard = []

    def __getattr__(self, name):
        return lambda *arguments: self.heard.append((name, arguments))


def test_all_of_them_hear_everything_in_order():
    alone, first, second = Recorder(), Recorder(), Recorder()
    tell_everything(alone)
    tell_everything(Observers((first, second)))
    assert len(alone.heard) == len(EVERYTHING)
    assert first.heard == second.heard == alone.heard


def test_there_is_nothing_that_an_observer_is_told_and_many_are_not():
    told = {name for name, _ in inspect.getmembers(Observer, inspect.isfunction) if not name.startswith("_")}
    assert {name for name in vars(Observers) if not name.startswith("_")} == told
    recorder = Recorder()
    tell_everything(recorder)
    assert {name for name, _ in recorder.heard} == told
    tell_everything(Observer())


def test_two_threads_are_heard_one_after_the_other():
    """Counting is reading, adding and writing: whoever comes in between is lost."""

    class Counter(Observer):
        inside = most = 0

        def committed(self, *told):
            self.inside += 1
            self.most = max(self.most, self.inside)
            threading.Event().wait(0.001)
            self.inside -= 1

    counter = Counter()
    observers = Observers((counter,))
    threads = [
        threading.Thread(target=lambda: [observers.committed(1, 1, 0, 1, 0.1) for _ in range(20)])
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert counter.most == 1
