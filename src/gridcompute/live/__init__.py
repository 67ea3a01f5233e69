"""The live matcher: its jobs and costs, its transactions, its rounds and snapshots."""
