"""LangChain's Replicate (langchain-community 0.4.2), unchanged, against a server of clipdraw."""

import base64

from common import FINAL, MODEL, check_svg, run_all, small
from langchain_community.llms import Replicate

MORE = {name: value for name, value in small("").items() if name != "prompt"}


def svg(address):
    return base64.b64decode(address.split(";base64,")[1])


def test_invoke():
    model = Replicate(model=FINAL, model_kwargs=MORE)
    check_svg(svg(model.invoke("a cat")))


def test_invoke_with_a_version():
    import replicate

    version = replicate.models.get(FINAL).latest_version.id
    model = Replicate(model=f"{FINAL}:{version}", model_kwargs=MORE)
    check_svg(svg(model.invoke("a cat")))


def test_stream():
    model = Replicate(model=MODEL, model_kwargs=MORE)
    text = "".join(model.stream("a cat"))
    assert text.count("data:image/svg+xml;base64,") == 4, text[:200]


run_all(globals())
