"""Turn folders and buckets once into Parquet shards of images that are ready for a prompt.

In: a folder with studies. Out: a shard for each volume, slide and image, and a list of what cannot be read.

- ``preparation``: `prepare`, and functions to read the images back.
- ``sources``: lists the folder or bucket, and finds out what has changed.
- ``run``: one run, which makes the missing shards, the index and the quarantine.
- ``shards``: writes and reads one volume, slide or image as a shard.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
