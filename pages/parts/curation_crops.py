"""HTTP route of the curation gallery: one cell as a JPEG, phase, stain and colour beside each other. No Streamlit in here.

``GET /api/crop/{token}?field=f1&cell=5&side=256``; ``wide=1``: with its neighbourhood, ``bare=1``: without the outline.
"""

import io
from typing import Any

from PIL import Image
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from core.errors import InputError
from core.workspace import Experiment, Product
from pages.parts import tokens

CROP = "crop"
SMALLEST, LARGEST = 64, 1024


def crops_url(experiment: Experiment, annotation: Product, base: str = "") -> str:
    """The address of the cells of an annotation, to which field, cell and size are added."""
    prefix = f"/{base.strip('/')}" if base.strip("/") else ""
    content = {"experiment": str(experiment.path), "annotation": annotation.id, "created": annotation.created}
    return f"{prefix}/api/crop/{tokens.sign(CROP, content)}"


def respond(request: Request) -> Response:  # not async: Starlette runs it in a thread
    """Answer one request: 403 for a token that is not ours, 422 with a sentence for what cannot be shown."""
    from pages.parts.media import small_pictures

    asked = request.query_params
    try:
        content = tokens.read(CROP, request.path_params["token"])
        cell, side = int(asked["cell"]), min(max(int(asked.get("side", 256)), SMALLEST), LARGEST)
    except tokens.BadToken as problem:
        return PlainTextResponse(str(problem), 403)
    except (KeyError, ValueError):
        return PlainTextResponse("Wanted a field and the number of a cell.", 400)
    what = (str(asked.get("field", "")), cell, side, asked.get("wide") == "1", asked.get("bare") != "1")
    try:
        made = small_pictures.get(f"{content}{what}", lambda: (jpeg(content, *what), "image/jpeg"))
    except InputError as problem:
        return PlainTextResponse(str(problem), 422)
    keep = {"Cache-Control": "private, max-age=86400, immutable", "X-Content-Type-Options": "nosniff"}
    return Response(made.body, media_type=made.media_type, headers=keep)


def jpeg(content: dict[str, Any], fov_id: str, cell: int, side: int, wide: bool, outline: bool) -> bytes:
    """The picture itself. Raises InputError."""
    from core.stages.curating_pictures import cell_strip, field_views

    strip = cell_strip(field_views(content["experiment"], content["annotation"], fov_id), cell, side, wide, outline)
    out = io.BytesIO()
    Image.fromarray(strip).save(out, "JPEG", quality=88, subsampling=0)
    return out.getvalue()
