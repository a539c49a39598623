"""Proves that a process which ends right after a store's answer ends with its own exit code.

The answer comes from a thread of obstore, which is still inside Python when the main thread has read it. The test makes
that moment long: without care the interpreter ends under the thread, and the process aborts.
"""

import subprocess
import sys
from pathlib import Path

PROGRAM = """
import asyncio, sys, threading, time
from asyncio.selector_events import BaseSelectorEventLoop
from pathlib import Path
from services.common.object_store import open_store
from services.common.settings import Settings

wake = BaseSelectorEventLoop._write_to_self

def wake_and_linger(loop):
    wake(loop)
    if threading.get_ident() != threading.main_thread().ident:
        for _ in range(200):
            time.sleep(0.001)

BaseSelectorEventLoop._write_to_self = wake_and_linger
asyncio.run(open_store(Settings(home=Path(sys.argv[1]))).get("absent"))
sys.exit(7)
"""


def test_the_exit_code_survives_a_lingering_store_thread(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM, str(tmp_path)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (7, "")
