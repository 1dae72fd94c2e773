"""``python -m workers.cli``: the command line where the script is not installed."""

from workers.cli import main

main()
