"""Models behind OpenAI's API, of whoever serves it: OpenAI, vLLM, Ollama, gateways. On as soon as a key or an address is set.

The registry calls `make` and `embedder`. The SDK is an optional extra and takes a second or two to load, so `client` is
imported only where it is asked for.
"""
