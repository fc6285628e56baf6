"""Plan, deploy, find, ask and delete MedGemma on Google Cloud.

In: a project and a region. Out: an endpoint whose address `helpers.endpoints` takes.

- ``vertex``: sends requests to the Vertex AI REST API, and gets a token for them.
- ``model_garden``: plans a deployment with its cost, makes it, and deletes it.
- ``batch_prediction``: plans a batch job, and writes its request file.
- ``dicom_requests``: writes prompts whose images the server itself fetches from a DICOM store.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
