"""Weights of the shipped models and their cards."""
