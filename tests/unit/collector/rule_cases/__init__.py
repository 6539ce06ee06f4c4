"""The planted cases of the account rules, one module for each rule module; each lists its own as CASES."""
