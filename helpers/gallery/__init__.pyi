from .site import build_gallery as build_gallery
