"""Both ways to end a command mean the same, and stopping is not interrupted by more of them."""

import os
import signal

import pytest

from lorabus.interrupts import interruptible, undisturbed

BOTH = (signal.SIGINT, signal.SIGTERM)


@pytest.mark.parametrize("number", BOTH)
def test_each_signal_is_an_interrupt(number: signal.Signals) -> None:
    before = [signal.getsignal(each) for each in BOTH]

    with pytest.raises(KeyboardInterrupt), interruptible():
        os.kill(os.getpid(), number)

    assert [signal.getsignal(each) for each in BOTH] == before


@pytest.mark.parametrize("number", BOTH)
def test_what_is_being_stopped_is_stopped_to_the_end(number: signal.Signals) -> None:
    done = False
    with interruptible(), undisturbed():
        os.kill(os.getpid(), number)
        done = True
    assert done
