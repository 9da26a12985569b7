"""What a completion earns: the rewards of Open-o3 Video as published, and ours.

rewards = reward_set("proofreel")
scores = rewards.score(completion, truth, reading=Reading(duration_s=12.0), progress=0.5)
rewards.total(scores)
"""

from __future__ import annotations

from training.rewards.reading import Reading, RewardOptions
from training.rewards.sets import REWARD_SETS, RewardSet, RewardSetName, reward_set
from training.rewards.trl import progress_of, read_truth, reward_functions, truth_column

__all__ = [
    "REWARD_SETS",
    "Reading",
    "RewardOptions",
    "RewardSet",
    "RewardSetName",
    "progress_of",
    "read_truth",
    "reward_functions",
    "reward_set",
    "truth_column",
]
