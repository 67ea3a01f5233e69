"""What solvers return: matchings, certificates, explanations."""
