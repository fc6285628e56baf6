from .ahead import one_ahead as one_ahead
from .cluster import ray_cluster as ray_cluster, ray_map as ray_map
from .processes import Killed as Killed, in_processes as in_processes
