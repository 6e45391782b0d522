"""What boto3 sends, by way of urllib3: its bodies are its own, its keys are in no record."""

from __future__ import annotations

import io
import json
from typing import Any, Final

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from outbound.conftest import Sent
from outbound.far_server import Answer, FarServer

KEY: Final = "AKIAIOSFODNN7EXAMPLE"
SECRET: Final = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
TOKEN: Final = "FwoGZXIvYXdzEBYaDNotForAnybodyToSee0123456789"
GIVEN: Final = "IQoJb3JpZ2luX2VjEGivenBySTSAndNotToBeSeen0123456789"
ITEM: Final = b'{"name":"ada","password":"s3cret-of-ours"}'
CLEAN: Final = '{"name":"ada","password":"[REDACTED]"}'
XML: Final = {"Content-Type": "text/xml"}
ASSUMED: Final = f"""<AssumeRoleResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleResult>
<AssumedRoleUser><Arn>arn:aws:sts::123456789012:assumed-role/shop/ada</Arn></AssumedRoleUser>
<Credentials><AccessKeyId>ASIAIOSFODNN7EXAMPLE</AccessKeyId><SecretAccessKey>{SECRET}</SecretAccessKey>
<SessionToken>{GIVEN}</SessionToken><Expiration>2036-11-21T00:00:00Z</Expiration></Credentials>
</AssumeRoleResult></AssumeRoleResponse>"""


@pytest.fixture
def aws(far: FarServer, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Makes clients whose services are all the far server."""
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    session = boto3.session.Session(KEY, SECRET, TOKEN, region_name="eu-central-1")
    config = Config(s3={"addressing_style": "path"}, retries={"total_max_attempts": 1})
    return lambda service: session.client(service, endpoint_url=far.url, config=config)


def unseen(exchanges: Any) -> bool:
    """Whether nothing of the keys is in the records."""
    text = repr(exchanges)
    return not any(each in text for each in (KEY, SECRET, TOKEN, GIVEN, "s3cret-of", "ASIAIOSFODNN7EXAMPLE"))


@pytest.mark.parametrize("made", [lambda: ITEM, lambda: io.BytesIO(ITEM)], ids=["bytes", "file"])
def test_objects(sent: Sent, far: FarServer, aws: Any, made: Any) -> None:
    """An object goes and comes back as it is; the records have it clean, and none of the keys."""
    far.answers["/shop/a.json"] = Answer(b"")
    far.answers["/shop/stored.json"] = Answer(ITEM)
    far.answers["/shop/missing"] = Answer(b"<Error><Code>NoSuchKey</Code></Error>", 404, XML)
    s3 = aws("s3")
    sent.start("urllib3")

    s3.put_object(Bucket="shop", Key="a.json", Body=made(), ContentType="application/json")
    stored = s3.get_object(Bucket="shop", Key="stored.json")["Body"]
    assert stored.read(10) + b"".join(stored.iter_chunks(7)) == ITEM
    with pytest.raises(ClientError, match="NoSuchKey"):
        s3.get_object(Bucket="shop", Key="missing")

    assert far.asked[0].body == ITEM
    assert f"Credential={KEY}/" in far.asked[0].headers["authorization"]
    assert far.asked[0].headers["x-amz-security-token"] == TOKEN
    put, get, missing = sent.exchanges
    assert (put.request.method, put.request.path) == ("PUT", "/shop/a.json")
    assert put.request.body.content == CLEAN
    assert get.response.body.content == CLEAN
    assert missing.response.status == 404
    assert "traceparent" not in far.asked[0].headers["authorization"]
    assert all("traceparent" in each.headers for each in far.asked)
    assert unseen([put, get, missing])


def test_a_role(sent: Sent, far: FarServer, aws: Any) -> None:
    """Credentials that a service hands out are the app's alone."""
    far.answers["/"] = Answer(ASSUMED.encode(), 200, XML)
    sts = aws("sts")
    sent.start("urllib3")

    given = sts.assume_role(RoleArn="arn:aws:iam::123456789012:role/shop", RoleSessionName="ada")

    assert given["Credentials"]["SecretAccessKey"] == SECRET
    assert given["Credentials"]["SessionToken"] == GIVEN
    exchange = sent.exchange
    assert "Action=AssumeRole" in str(exchange.request.body.content)
    assert "assumed-role/shop/ada" in str(exchange.response.body.content)
    assert unseen(exchange)


def test_a_url_that_is_signed(sent: Sent, far: FarServer, aws: Any) -> None:
    """What a signed URL opens the door with is in no record, whoever sends it."""
    import urllib3

    far.answers["/shop/stored.json"] = Answer(ITEM)
    url = aws("s3").generate_presigned_url("get_object", Params={"Bucket": "shop", "Key": "stored.json"})
    sent.start("urllib3")

    with urllib3.PoolManager() as pool:
        assert json.loads(pool.request("GET", url).data) == json.loads(ITEM)

    exchange = sent.exchange
    signed = far.asked[0].target.partition("Signature=")[2].partition("&")[0]
    assert signed
    assert signed not in repr(exchange)
    assert unseen(exchange)
