"""The morning after: what the nights did, told to people, to programs, and to those who asked to be told."""
