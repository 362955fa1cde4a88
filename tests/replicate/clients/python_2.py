"""PyPI replicate 2.0.0b4, unchanged, against a server of clipdraw."""

import os
import pathlib
import tempfile
from urllib.parse import parse_qsl, urlsplit

from common import BUSY, FINAL, MODEL, PNG, SERVER, STARTING, SVG, Receiver, check_svg, raises, run_all, small
from replicate.exceptions import APIStatusError, ModelError

import replicate
from replicate import Replicate

client = Replicate(base_url=f"{SERVER}/v1")


def test_run():
    output = replicate.run(MODEL, input=small("a cat"))
    files = list(output)
    assert len(files) == 4
    check_svg(files[-1].read())


def test_run_with_a_version_and_after_a_short_wait():
    version = client.models.get(model_owner="clipdraw", model_name="clipdraw-final").latest_version.id
    check_svg(client.run(f"{FINAL}:{version}", input=small("a cat")).read())
    files = client.run(MODEL, wait=1, input=small("sleep 600 for long"))
    assert len(list(files)) == 4, "not the first frames only"


def test_run_with_open_files():
    with tempfile.TemporaryDirectory() as folder:
        picture, strokes = pathlib.Path(folder) / "picture.png", pathlib.Path(folder) / "a line.svg"
        picture.write_bytes(PNG)
        strokes.write_bytes(SVG)
        with picture.open("rb") as image_prompt, strokes.open("rb") as init_svg:
            output = client.run(FINAL, input=small("a cat", image_prompt=image_prompt, init_svg=init_svg))
        check_svg(output.read())
        check_svg(client.run(FINAL, input=small("a cat", init_svg=strokes)).read())


def test_files():
    file = client.files.create(content=SVG, filename="a line.svg", type="image/svg+xml", metadata={"of": "me"})
    assert file.size == len(SVG) and file.metadata == {"of": "me"} and file.content_type == "image/svg+xml"
    assert client.files.get(file_id=file.id).checksums.sha256 == file.checksums.sha256
    assert file.id in [listed.id for listed in client.files.list()]
    permit = dict(parse_qsl(urlsplit(file.urls.download).query))
    content = client.files.download(
        file_id=file.id, owner=permit["owner"], expiry=int(permit["expiry"]), signature=permit["signature"]
    )
    assert content.read() == SVG
    client.files.delete(file_id=file.id)
    error = raises(APIStatusError, lambda: client.files.get(file_id=file.id))
    assert error.status_code == 404
    error = raises(APIStatusError, lambda: client.run(FINAL, input=small("a cat", init_svg=file.urls.get)))
    assert error.status_code == 422 and "does not keep that file" in str(error), error
    error = raises(APIStatusError, lambda: client.files.create(content=b"x" * (11 << 20)))
    assert error.status_code == 413 and "10485760 bytes" in str(error), error


def test_use():
    draw = replicate.use(FINAL)
    address = draw(**small("a cat"))
    assert str(address).startswith("data:image/svg+xml;base64,")
    run = replicate.use(MODEL).create(**small("a cat"))
    assert len(run.output()) == 4 and "step 3/3" in run.logs()


def test_use_streaming():
    draw = replicate.use(MODEL, streaming=True)
    assert len(list(draw(**small("a cat")))) == 4


def test_stream():
    events = list(client.stream(MODEL, input=small("a cat")))
    assert len(events) == 4, events


def test_create_wait_and_cancel():
    version = client.models.get(model_owner="clipdraw", model_name="clipdraw").latest_version.id
    prediction = client.predictions.create(version=version, input=small("sleep 200 for long"))
    assert prediction.status == "starting" and prediction.output is None
    done = client.predictions.wait(prediction.id)
    assert done.status == "succeeded" and len(done.output) == 4
    prediction = client.predictions.create(version=version, input=small("sleep 300 for long"), cancel_after="1m")
    assert client.predictions.cancel(prediction_id=prediction.id).status == "canceled"


def test_list():
    ids = [prediction.id for prediction in client.predictions.list()]
    assert len(ids) >= 3 and len(set(ids)) == len(ids)


def test_models_and_the_rest():
    versions = client.models.versions.list(model_owner="clipdraw", model_name="clipdraw")
    assert versions is not None
    prediction = client.deployments.predictions.create(
        deployment_owner="clipdraw", deployment_name="clipdraw-final", input=small("a cat"), prefer="wait"
    )
    assert isinstance(prediction.output, str)
    assert client.account.get().username == "clipdraw"
    assert client.hardware.list()[0].sku
    assert client.webhooks.default.secret.get().key.startswith("whsec_")


def test_webhooks():
    receiver = Receiver()
    client.models.predictions.create(
        model_owner="clipdraw", model_name="clipdraw", input=small("a cat"), webhook=receiver.url,
        webhook_events_filter=["completed"],
    )
    (headers, body), = receiver.wait_for(1)
    assert headers["webhook-signature"].startswith("v1,") and '"succeeded"' in body


def test_a_failed_and_a_refused_prediction():
    error = raises(ModelError, lambda: client.run(MODEL, input=small("fail at 1")))
    assert "centre term" in str(error)
    error = raises(APIStatusError, lambda: client.run(MODEL, input={"num_paths": 0}))
    assert error.status_code == 422 and "num_paths" in str(error), error
    error = raises(APIStatusError, lambda: client.with_options(bearer_token="wrong").account.get())
    assert error.status_code == 401


def test_a_busy_server_and_one_that_is_not_ready():
    busy = Replicate(base_url=f"{BUSY}/v1", max_retries=0)
    error = raises(APIStatusError, lambda: busy.run(MODEL, input=small("a cat")))
    assert error.status_code == 429, error
    starting = Replicate(base_url=f"{STARTING}/v1", max_retries=0)
    error = raises(APIStatusError, lambda: starting.run(MODEL, input=small("a cat")))
    assert error.status_code == 503, error


assert os.environ["REPLICATE_BASE_URL"] == f"{SERVER}/v1"
run_all(globals())
