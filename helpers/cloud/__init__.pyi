from .batch_prediction import plan_batch as plan_batch, write_batch as write_batch
from .dicom_requests import image_dicom_request as image_dicom_request
from .model_garden import (
    deploy as deploy,
    find_endpoint as find_endpoint,
    plan_deployment as plan_deployment,
    undeploy_and_delete as undeploy_and_delete,
)
from .vertex import Cloud as Cloud, access_token as access_token
