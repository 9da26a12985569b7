"""A signal must reach Python after a network was let go of, whatever thread dropped it."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[4]

DROP_AND_SIGNAL = """
import os, signal, sys, threading
from pathlib import Path
import numpy as np
from engines.spotter.detector import Detector
kept = [Detector(floor=0.3, cache_dir=Path(sys.argv[1]))]
kept[0].detect([np.zeros((300, 300, 3), np.uint8)])
dropping = threading.Thread(target=kept.clear)
dropping.start()
dropping.join()
signal.signal(signal.SIGINT, lambda *_: print("told", flush=True))
os.kill(os.getpid(), signal.SIGINT)
"""


def test_a_signal_is_received_after_another_thread_dropped_the_network(tmp_path: Path) -> None:
    command = [sys.executable, "-c", DROP_AND_SIGNAL, str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "told\n"), done.stderr
