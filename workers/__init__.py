"""The order: event in, queue, agent, policy, inbox, action out. Start with `workers.pipeline`."""
