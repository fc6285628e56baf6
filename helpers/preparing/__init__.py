"""Folders and buckets to Parquet shards of images that are ready for a prompt, made once.

In: a folder with studies. Out: a shard for each volume, slide and image, and a list of what cannot be read.

- ``preparation``: `prepare`, and the images read back.
- ``sources``: what lies in the folder or bucket, and whether it has changed.
- ``run``: which shards are missing, the index and the quarantine.
- ``shards``: one volume, slide or image as a shard.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
