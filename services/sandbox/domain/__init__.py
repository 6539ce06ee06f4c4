"""Decides what is true in the simulated province and what its providers report of it. Pure: chance is handed in."""
