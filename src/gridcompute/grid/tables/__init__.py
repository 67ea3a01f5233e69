"""The columns of a planning problem, validated once."""
