"""The workshop: a checkpoint becomes graphs, graphs become engines, and both are held against the checkpoint."""
