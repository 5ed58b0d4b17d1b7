"""Looking things up: documents, chunks, embeddings, stores and retrieval."""
