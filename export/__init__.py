"""The workshop: a checkpoint becomes graphs, graphs become engines, both held against the checkpoint."""
