"""Turns account statements into assessments: features, transition stage, model, score, grade and reason codes."""
