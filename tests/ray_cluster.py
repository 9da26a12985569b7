"""A real Ray cluster of this machine: a head that works on nothing, and nodes of one CPU, or as told."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
STORE_BYTES = 80 << 20  # the least that Ray takes


@contextmanager
def ray_cluster(nodes: Sequence[Mapping[str, float]]) -> Iterator[tuple[Any, list[Any]]]:
    """The cluster, and its nodes with these resources each. Tests can be imported on all of them."""
    from ray.cluster_utils import Cluster

    with tempfile.TemporaryDirectory(prefix="r", dir="/tmp") as folder:  # paths of sockets are short
        before = {name: os.environ.get(name) for name in ("RAY_TMPDIR", "PYTHONPATH")}
        os.environ.update(RAY_TMPDIR=folder, PYTHONPATH=str(ROOT))
        cluster = Cluster(
            initialize_head=True,
            head_node_args={"num_cpus": 0, "include_dashboard": False, "object_store_memory": STORE_BYTES},
        )
        try:
            added = [
                cluster.add_node(
                    num_cpus=int(own.get("CPU", 1)),
                    num_gpus=int(own.get("GPU", 0)),
                    object_store_memory=STORE_BYTES,
                    resources={label: own[label] for label in own.keys() - {"CPU", "GPU"}},
                )
                for own in nodes
            ]
            yield cluster, added
        finally:
            cluster.shutdown()
            for name, value in before.items():
                os.environ.pop(name) if value is None else os.environ.update({name: value})
