"""Prints the page and the layers of an SVG as vpype reads them: name, colour, number of paths, bounds in millimetres."""

import json
import sys

import vpype

MILLIMETERS = 25.4 / 96  # vpype's unit is the pixel of CSS.


def main() -> None:
    document = vpype.read_multilayer_svg(sys.argv[1], quantization=0.01)
    layers = [
        {
            "id": number,
            "name": layer.property(vpype.METADATA_FIELD_NAME),
            "color": str(layer.property(vpype.METADATA_FIELD_COLOR)),
            "paths": len(layer),
            "bounds": [side * MILLIMETERS for side in layer.bounds()],
        }
        for number, layer in document.layers.items()
    ]
    page = [side * MILLIMETERS for side in document.page_size]
    print(json.dumps({"page": page, "layers": layers}))


if __name__ == "__main__":
    main()
