"""MedGemma on Google Cloud: planned, deployed, found, asked, and taken away again.

In: a project and a region. Out: an endpoint whose address `helpers.endpoints` takes.

- ``vertex``: the few calls of the Vertex AI REST API, and a token for them.
- ``model_garden``: a deployment, with its cost before it starts.
- ``batch_prediction``: a batch job, planned, with its request file.
- ``dicom_requests``: prompts whose images the server fetches from a DICOM store itself.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
