"""Plans checked against their problems, by code that shares nothing with the planner."""
