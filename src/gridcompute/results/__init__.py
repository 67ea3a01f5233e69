"""The results of solvers: matchings, certificates, explanations."""
