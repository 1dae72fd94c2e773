"""Parts of the policy's benchmark: rules and facts that are made up, what is timed, and the picture."""
