"""What the policy obliges to besides the yes, and how it is met: see docs/obligations.md."""
