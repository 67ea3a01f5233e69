"""The planner: prices by dual ascent, placements by diving and local search, dispatch."""
