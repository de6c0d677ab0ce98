"""Shapes of requests and answers, and how they become core values."""
