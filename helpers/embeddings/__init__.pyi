from .embedder import (
    Embedder as Embedder,
    Embedding as Embedding,
    embed as embed,
    load_embedder as load_embedder,
    pool as pool,
)
from .probes import drift as drift, linear_probe as linear_probe, probe_curve as probe_curve
from .table import embed_folder as embed_folder, read_embeddings as read_embeddings
