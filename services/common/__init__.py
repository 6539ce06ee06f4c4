"""Mechanism that every service uses and no service owns; README.md says what each module hides and who its users are."""
