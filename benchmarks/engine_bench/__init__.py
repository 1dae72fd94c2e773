"""The parts of `benchmarks/engine.py`: one flow of work, measured on Caseworker and on three others in the same run."""
