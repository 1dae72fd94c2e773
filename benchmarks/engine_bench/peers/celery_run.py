"""Starts the Celery chain's door or worker. Apart from it, so that its tasks carry the name under which messages find them."""

from __future__ import annotations

from engine_bench.peers import celery_chain

if __name__ == "__main__":
    celery_chain.main()
