"""The agents: one file of declarations a domain, and a prompt. They think with a model and Readers, and write nothing."""
