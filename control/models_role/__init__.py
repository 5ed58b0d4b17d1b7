"""The process `models`: a node's recogniser, voice and embedder, once, behind OpenAI's endpoints on a unix socket."""
