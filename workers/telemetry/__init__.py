"""What a running system tells its operators: numbers (`metrics`) and traces (`traces`).

Called from everywhere, so it imports nothing of ours but the models' words. It holds ids, names, kinds, counts and times;
never a word that somebody wrote. The only importer of the libraries for metrics and traces.
"""
