"""PyPI replicate 1.0.7, unchanged, against a server of clipdraw."""

import asyncio
import io
import json
import pathlib
import tempfile
from functools import partial

import httpx
from common import (
    BUSY,
    FINAL,
    MODEL,
    PNG,
    SERVER,
    STARTING,
    SVG,
    Receiver,
    check_png,
    check_svg,
    raises,
    run_all,
    small,
)
from replicate.client import Client
from replicate.exceptions import ModelError, ReplicateError
from replicate.helpers import FileOutput

import replicate

client = Client(base_url=SERVER)


def test_run():
    output = replicate.run(MODEL, input=small("a cat"))
    assert len(output) == 4 and all(isinstance(file, FileOutput) for file in output)
    for file in output:
        check_svg(file.read())


def test_run_and_save_the_files():
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "cat.png"
        output = client.run(FINAL, input=small("a cat", output_format="png"))
        assert isinstance(output, FileOutput)
        path.write_bytes(b"".join(output))
        check_png(path.read_bytes())


def test_run_with_a_version():
    for model in (MODEL, FINAL):
        version = client.models.get(model).latest_version.id
        output = client.run(f"{model}:{version}", input=small("a cat"))
        files = [output] if model == FINAL else list(output)
        check_svg(files[-1].read())


def test_run_async():
    output = asyncio.run(client.async_run(MODEL, input=small("a cat")))
    assert len(output) == 4


def test_run_polls_after_a_short_wait():
    output = client.run(MODEL, wait=1, input=small("sleep 600 for long"))
    assert len(output) == 4, "not the first frames only"
    output = client.run(FINAL, wait=1, input=small("sleep 600 for long"))
    check_svg(output.read())
    output = client.run(MODEL, wait=False, input=small("a cat"))
    assert len(list(output)) == 4


def test_run_with_open_files():
    with tempfile.TemporaryDirectory() as folder:
        picture, strokes = pathlib.Path(folder) / "picture.png", pathlib.Path(folder) / "a line.svg"
        picture.write_bytes(PNG)
        strokes.write_bytes(SVG)
        before = len(client.files.list())
        for strategy in ("url", "base64"):
            with picture.open("rb") as image_prompt, strokes.open("rb") as init_svg:
                output = client.run(
                    FINAL,
                    input=small("a cat", image_prompt=image_prompt, init_svg=init_svg),
                    file_encoding_strategy=strategy,
                )
            check_svg(output.read())
        check_svg(client.run(FINAL, input=small("a cat", init_svg=strokes)).read())
        # A client belongs to one event loop.
        output = asyncio.run(Client(base_url=SERVER).async_run(FINAL, input=small("a cat", init_svg=strokes)))
        check_svg(output.read())
        assert len(client.files.list()) == before + 4


def test_files():
    file = client.files.create(io.BytesIO(SVG), filename="a line.svg", metadata={"of": "me"})
    assert (file.name, file.size, file.metadata) == ("a line.svg", len(SVG), {"of": "me"})
    assert file.content_type == "image/svg+xml" and len(file.checksums["sha256"]) == 64
    assert client.files.get(file.id) == file and file in client.files.list()
    assert httpx.get(file.urls["download"]).content == SVG, "without a token"
    check_svg(client.run(FINAL, input=small("a cat", init_svg=file.urls["get"])).read())
    assert client.files.delete(file.id)
    error = raises(ReplicateError, lambda: client.files.get(file.id))
    assert error.status == 404 and "file" in error.detail, error
    error = raises(ReplicateError, lambda: client.run(FINAL, input=small("a cat", init_svg=file.urls["get"])))
    assert error.status == 422 and "init_svg: this server does not keep that file" in error.detail, error
    error = raises(ReplicateError, lambda: client.files.create(io.BytesIO(b"x" * (11 << 20))))
    assert error.status == 413 and "10485760 bytes" in error.detail, error


def test_stream():
    events = list(client.stream(MODEL, input=small("a cat")))
    kinds = [event.event.value for event in events]
    assert kinds.count("output") == 4 and kinds[-1] == "done", kinds
    assert all(event.id for event in events)
    files = [event.data for event in events if event.event.value == "output"]
    assert str(files[0]).startswith("data:image/svg+xml;base64,")
    check_svg(files[-1].read())


def test_stream_of_a_prediction_with_a_version():
    version = client.models.get(FINAL).latest_version
    prediction = client.predictions.create(version=version, input=small("a cat"), stream=True)
    kinds = [event.event.value for event in prediction.stream()]
    assert kinds.count("output") == 1 and kinds[-1] == "done", kinds


def test_stream_of_a_failure():
    error = raises(RuntimeError, lambda: list(client.stream(MODEL, input=small("fail at 1"))))
    assert "centre term" in str(error)


def test_wait_and_progress():
    prediction = client.models.predictions.create(MODEL, input=small("sleep 300 for long"))
    assert prediction.status == "starting" and prediction.output is None
    seen = set()
    while prediction.status not in ("succeeded", "failed", "canceled"):
        if prediction.progress:
            seen.add((prediction.progress.current, prediction.progress.total))
        prediction.reload()
    assert any(0 < current < total == 3 for current, total in seen), seen
    assert prediction.progress.percentage == 1.0
    prediction.wait()
    assert prediction.metrics["predict_time"] > 0 and prediction.metrics["total_time"] > 0


def test_cancel():
    prediction = client.models.predictions.create(MODEL, input=small("sleep 300 for long"))
    prediction.cancel()
    prediction.wait()
    assert prediction.status == "canceled"
    assert client.predictions.cancel(prediction.id).status == "canceled"


def test_list_and_paginate():
    for _ in range(3):
        client.run(MODEL, input=small("a cat"))
    page = client.predictions.list()
    assert len(page.results) >= 3 and page.results[0].status == "succeeded"
    first = page.results[0]
    assert client.predictions.get(first.id).output[0].startswith("data:")
    assert sum(len(page.results) for page in replicate.paginate(client.predictions.list)) >= 3


def test_models_versions_deployments_and_hardware():
    model = client.models.get(MODEL)
    assert model.owner == "clipdraw" and model.latest_version.cog_version
    schema = model.latest_version.openapi_schema["components"]["schemas"]
    assert schema["Output"]["type"] == "array" and "prompt" in schema["Input"]["properties"]
    assert model.versions.list()[0].id == model.latest_version.id
    assert model.versions.get(model.latest_version.id).id == model.latest_version.id
    assert {f"{model.owner}/{model.name}" for model in client.models.list()} == {MODEL, FINAL}
    assert client.models.search("drawing").results
    deployment = client.deployments.get(FINAL)
    assert deployment.current_release.model == FINAL
    prediction = deployment.predictions.create(input=small("a cat"))
    prediction.wait()
    assert isinstance(prediction.output, str)
    assert client.hardware.list()[0].name
    assert client.accounts.current().username == "clipdraw"


def test_webhooks():
    receiver = Receiver()
    prediction = client.predictions.create(
        model=MODEL, input=small("a cat"), webhook=receiver.url, webhook_events_filter=["start", "completed"]
    )
    prediction.wait()
    received = receiver.wait_for(2)
    secret = client.webhooks.default.secret()

    def validate(headers, body):
        return client.webhooks.validate(headers=headers, body=body, secret=secret)

    for headers, body in received:
        validate(headers, body)
        raises(ValueError, partial(validate, headers, body.replace("a cat", "a dog")))
    last = json.loads(received[-1][1])
    assert last["id"] == prediction.id and last["output"] == prediction.output


def test_a_failed_prediction():
    error = raises(ModelError, lambda: client.run(MODEL, input=small("fail at 1")))
    assert "centre term" in str(error) and error.prediction.status == "failed"


def test_refused_requests():
    error = raises(ReplicateError, lambda: client.run(MODEL, input={"num_paths": 0}))
    assert error.status == 422 and "num_paths" in error.detail, error
    error = raises(ReplicateError, lambda: client.run("a/b", input=small("a cat")))
    assert error.status == 404 and "model" in error.detail, error
    error = raises(ReplicateError, lambda: client.predictions.get("nothing"))
    assert error.status == 404
    stranger = Client(api_token="wrong", base_url=SERVER)
    error = raises(ReplicateError, lambda: stranger.run(MODEL, input=small("a cat")))
    assert error.status == 401


def test_a_busy_server_and_one_that_is_not_ready():
    error = raises(ReplicateError, lambda: Client(base_url=BUSY).run(MODEL, input=small("a cat")))
    assert error.status == 429 and error.detail, error
    error = raises(ReplicateError, lambda: Client(base_url=STARTING).run(MODEL, input=small("a cat")))
    assert error.status == 503 and error.detail, error


run_all(globals())
