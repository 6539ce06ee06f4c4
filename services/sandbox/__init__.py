"""The sandbox: a simulated province whose truth is known. Plays the agencies, the enterprises and a bank; no service knows it."""
