from .preparation import (
    Prepared as Prepared,
    prepare as prepare,
    prepared_images as prepared_images,
    read_prepared as read_prepared,
)
