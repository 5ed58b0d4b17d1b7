"""Models in a process of their own, or on another machine: asked over OpenAI's endpoints for audio and embeddings."""
