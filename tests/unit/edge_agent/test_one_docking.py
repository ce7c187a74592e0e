"""Two dockings of one recorder follow each other; those of two recorders do not wait."""

import threading

import pytest

from edge_agent.errors import StopRequestedError
from edge_agent.one_docking import OneDockingEach
from evidence_model.ids import RecorderId

_ONE = RecorderId("rec-0000000000000001")
_OTHER = RecorderId("rec-0000000000000002")


def test_second_docking_of_a_recorder_waits_for_the_first() -> None:
    dockings, order, first_is_in = OneDockingEach(), list[str](), threading.Event()
    go_on = threading.Event()

    def first() -> None:
        with dockings.turn(_ONE, threading.Event()):
            first_is_in.set()
            go_on.wait(10)
            order.append("first")

    def second() -> None:
        with dockings.turn(_ONE, threading.Event()):
            order.append("second")

    threads = [threading.Thread(target=first), threading.Thread(target=second)]
    threads[0].start()
    assert first_is_in.wait(10)
    threads[1].start()
    with dockings.turn(_OTHER, threading.Event()):
        order.append("other")
    go_on.set()
    for thread in threads:
        thread.join(10)
    assert order == ["other", "first", "second"]


def test_a_stop_ends_the_waiting() -> None:
    dockings, told_to_stop = OneDockingEach(), threading.Event()
    told_to_stop.set()
    with dockings.turn(_ONE, threading.Event()):
        with pytest.raises(StopRequestedError), dockings.turn(_ONE, told_to_stop):
            pass
        with dockings.turn(_OTHER, told_to_stop):
            pass
    with dockings.turn(_ONE, told_to_stop):
        pass
