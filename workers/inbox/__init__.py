"""5. People: what waits for them, what they decide, and how they sign in. Decides nothing itself."""
