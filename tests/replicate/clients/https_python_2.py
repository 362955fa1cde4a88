"""PyPI replicate 2.0.0b4 over https, where output files are addresses of the server."""

import pathlib

from common import FINAL, MODEL, check_png, check_svg, run_all, small

import replicate


def test_run():
    check_svg(replicate.run(FINAL, input=small("a cat")).read())


def test_use_makes_paths():
    path = replicate.use(FINAL)(**small("a cat", output_format="png"))
    check_png(pathlib.Path(path).read_bytes())
    paths = replicate.use(MODEL)(**small("a cat"))
    assert len(paths) == 4
    check_svg(pathlib.Path(paths[-1]).read_bytes())


run_all(globals())
