"""The executor that the flags of `index` ask for, with hands that look at files."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from engines.contract import Engine
    from indexer.embedding import Embedder
    from indexer.executors import Executor

EXECUTORS = ("local", "ray")


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutorChoice:
    """Where files are looked at: `workers` processes (None: what fits), here or on the cluster at `address`.

    Raises ValueError for what doesn't go together.
    """

    executor: str = "local"
    address: str | None = None
    workers: int | None = None

    def __post_init__(self) -> None:
        if self.executor not in EXECUTORS:
            raise ValueError(f"--executor takes {' or '.join(EXECUTORS)}, not {self.executor!r}")
        if (self.address is not None) != (self.executor == "ray"):
            raise ValueError(
                "--executor ray and --address go together; on a machine of the cluster: --address auto"
            )
        if self.executor == "ray" and find_spec("ray") is None:
            raise ValueError("--executor ray needs Ray, not installed here: pip install 'proofreel[ray]'")


def make_executor(
    choice: ExecutorChoice,
    *,
    engine: Callable[..., Engine],
    embedder: Callable[..., Embedder],
    is_model: bool,
) -> Executor:
    """Workers with an engine and an embedder of their own, kept from the network once a file is open.

    Both take `num_threads`. `is_model`: the engine runs a checkpoint, on a GPU where there is one.
    """
    from indexer.executors.local import LocalExecutor
    from indexer.executors.sandbox import without_network
    from indexer.executors.sizing import places
    from indexer.looking import Looker

    found = places(choice.workers, needs_gpu=is_model)
    num_threads = found.num_threads if choice.address is None else 1
    looker = partial(
        Looker,
        engine=partial(engine, num_threads=num_threads),
        embedder=partial(embedder, num_threads=num_threads),
        seal=without_network,
        fetches=is_model,
    )
    if choice.address is not None:
        from indexer.executors.ray import RayExecutor

        return RayExecutor(looker, address=choice.address, workers=choice.workers, needs_gpu=is_model)
    return LocalExecutor(looker, environments=found.environments, orders_at_once=found.orders_at_once)
