"""The four services of the bureau, the mechanism they share and the sandbox that plays the outside world."""
