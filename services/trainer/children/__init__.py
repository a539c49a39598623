"""Trainings as child processes: a warm fork server, a pipe of JSON lines, and what a child's end means."""
