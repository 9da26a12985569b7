"""Packs: standing questions with their severity and rules of review, as data files that come along."""
