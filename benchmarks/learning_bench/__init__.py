"""The school of `benchmarks/learning.py`: its tickets, its operator, its pupils, and the picture of what they learned."""
