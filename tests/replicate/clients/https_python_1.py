"""PyPI replicate 1.0.7 over https, where output files are addresses of the server."""

import urllib.request

from common import FINAL, MODEL, SERVER, check_png, check_svg, run_all, small
from replicate.helpers import FileOutput

import replicate


def test_file_outputs_are_addresses():
    frames = replicate.run(MODEL, input=small("a cat"))
    assert len(frames) == 4
    for frame in frames:
        assert isinstance(frame, FileOutput) and frame.url.startswith(f"{SERVER}/v1/files/"), frame
        check_svg(frame.read())


def test_an_address_needs_no_token():
    file = replicate.run(FINAL, input=small("a cat", output_format="png"))
    with urllib.request.urlopen(file.url) as response:
        assert response.headers["content-type"] == "image/png"
        data = response.read()
        assert len(data) == int(response.headers["content-length"])
        check_png(data)


def test_stream():
    events = replicate.stream(MODEL, input=small("a cat"))
    files = [str(event.data) for event in events if event.event.value == "output"]
    assert all(file.startswith(f"{SERVER}/v1/files/") for file in files) and len(files) == 4


run_all(globals())
