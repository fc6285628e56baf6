from .answer import answer_view as answer_view, draw_boxes as draw_boxes
from .ask_box import AskBox as AskBox
from .figures import outline as outline, scrub as scrub, show as show, show_3d as show_3d, view_3d as view_3d
from .mistakes import show_mistakes as show_mistakes
from .slide import SlideViewer as SlideViewer, contact_sheet as contact_sheet
from .volume import VolumeViewer as VolumeViewer
from .volume_pictures import still as still
