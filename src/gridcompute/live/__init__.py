"""The live matcher: its state, its jobs and costs, its rounds and snapshots."""
