"""What holds for all tests."""

import gc
import os

from hypothesis import HealthCheck, settings

# `make test` runs two processes of tests, which start more: libraries that take a thread for every core make
# them wait for each other. It holds for what is loaded from here on, and for the processes that tests start.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# As the command has it. Python's own thresholds were chosen for programs of fewer objects: what these tests
# load is looked through hundreds of times, and almost nothing of it is garbage.
gc.set_threshold(10_000, 20, 20)

# Hypothesis fails an example that takes 0.2 s, as one does that loads a library, or any on a busy machine.
# Speed is measured in benchmarks.
settings.register_profile("no clock", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("no clock")
