"""The outside world: one folder per system, all behind the protocols of `base`.

Integrations know vendors and nothing of cases, policies or queues. They import neither `workers` nor `policies`.
"""
