"""Plans, and what can be read off them: explanations, audits, ledgers, what-ifs."""
