"""The settings of sampling: where they may be given, and what they have to agree on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from opentelemetry.sdk.trace import TracerProvider

from spantap.model import ConfigurationError
from spantap.settings import PREFIX, load, read

RATES = ["route:/orders/{id}=0.1", "user:42=1"]


def test_by_environment_keyword_and_file(tmp_path: Path) -> None:
    """The same settings, as text, as Python has them, and as TOML does."""
    by_environment = load(
        {},
        {
            f"{PREFIX}CAPTURE_SAMPLE_RATE": "0.5",
            f"{PREFIX}CAPTURE_RATES": ",".join(RATES),
            f"{PREFIX}CAPTURE_ALWAYS_ON": "error,slow:250",
        },
    )
    by_keyword = load(
        {
            "capture_sample_rate": 0.5,
            "capture_rates": {"route:/orders/{id}": 0.1, "user:42": 1},
            "capture_always_on": ["error", "slow:250"],
        },
        {},
    )
    (tmp_path / "spantap.toml").write_text(
        'capture_sample_rate = 0.5\ncapture_always_on = ["error", "slow:250"]\n'
        '[capture_rates]\n"route:/orders/{id}" = 0.1\n"user:42" = 1\n'
    )
    by_file = read({}, {}, tmp_path).settings

    assert by_environment == by_keyword == by_file
    assert list(map(str, by_file.capture_rates)) == RATES
    assert by_file.capture_always_on == ("error", "slow:250")


def test_nothing_is_sampled_by_default() -> None:
    """Everything is kept; where a rate is set, errors are."""
    plain = load({}, {})
    assert (plain.capture_sample_rate, plain.capture_rates, plain.capture_always_on) == (1.0, (), ("error",))


@pytest.mark.parametrize(
    ("keywords", "told"),
    [
        ({"capture_sample_rate": 10}, ["capture_sample_rate = 10: use a rate from 0 to 1"]),
        ({"capture_sample_rate": "nan"}, ["use a rate from 0 to 1"]),
        ({"capture_rates": "path:/a=2"}, ["capture_rates, rule 1 = 'path:/a=2': use a rate"]),
        ({"capture_rates": "path:/a=1", "capture_always_on": "eror"}, ["did you mean error"]),
        (
            {"capture_rates": "pth:/a=1,path:/b=7", "capture_sample_rate": -1, "capture_always_on": "slow:x"},
            ["did you mean path", "rule 2 = 'path:/b=7'", "capture_sample_rate = -1", "word 1 = 'slow:x'"],
        ),
        # Rules that cannot have an effect.
        ({"capture_rates": "status:5xx=0.1"}, ["CAPTURE_ALWAYS_ON keeps all errors"]),
        ({"capture_rates": "error:ValueError=0.1"}, ["CAPTURE_ALWAYS_ON keeps all errors"]),
        (
            {"capture_rates": "slower:500=0.1", "capture_always_on": "slow:250"},
            ["CAPTURE_ALWAYS_ON keeps what takes 250 ms"],
        ),
        ({"capture_rates": "path:/health=0.1"}, ["this path is not captured at all"]),
        ({"capture_rates": "path:/a=0.1", "exclude_urls": ["/a"]}, ["this path is not captured at all"]),
        ({"capture_rates": "path:/a=0.1", "include_urls": ["/b"]}, ["this path is not captured at all"]),
        ({"capture_rates": "path:/health=0.1", "include_urls": "re:("}, ["not a valid pattern"]),
        ({"capture_rates": "method:options=0.1"}, ["EXCLUDE_METHODS leaves this method out"]),
        ({"capture_always_on": "slow:1"}, ["everything is kept: set CAPTURE_SAMPLE_RATE"]),
        ({"capture_rates_interval": 5}, ["without CAPTURE_RATES_URL"]),
        ({"capture_rates_headers": "a=b"}, ["without CAPTURE_RATES_URL"]),
        ({"capture_rates_url": "ftp://x"}, ["use a URL with http:// or https://"]),
        (
            {"capture_rates_url": "http://h/?token=sk_live_4eC39HqLyjWDarjtT1zdp7dc"},
            ["give them as headers in CAPTURE_RATES_HEADERS"],
        ),
        ({"capture_rates_url": "http://h/", "capture_rates_interval": 0.5}, ["from 1 to 86400"]),
        ({"capture_rates_url": "http://h/", "capture_rates_headers": "x"}, ["use name=value"]),
    ],
)
def test_mistakes_are_told_at_the_start(keywords: dict[str, Any], told: list[str]) -> None:
    """All of them together, by name, with what to do; secrets are not shown."""
    with pytest.raises(ConfigurationError) as caught:
        load(keywords, {})

    assert len(caught.value.problems) == len(told)
    message = str(caught.value)
    assert all(each in message for each in told)
    assert "sk_live" not in message


@pytest.mark.parametrize(
    "keywords",
    [
        {"capture_rates": "status:5xx=1"},
        {"capture_rates": "status:5xx=0.1", "capture_always_on": "none"},
        {"capture_rates": "status:>=400=0.1"},
        {"capture_rates": "slower:100=0.1", "capture_always_on": "slow:250"},
        {"capture_rates": "path:/health=0.1", "default_exclusions": False},
        {"capture_rates": "path:/health=0.1", "include_urls": "/health"},
        {"capture_rates": "path:/static/*=0.1"},
        {"capture_rates": "method:options=0.1", "exclude_methods": ""},
        {"capture_always_on": "slow:1", "capture_rates_url": "https://h/rates"},
        {"capture_always_on": "slow:1", "capture_sample_rate": 1},
    ],
)
def test_what_is_no_mistake(keywords: dict[str, Any]) -> None:
    """Rules that may have an effect are taken."""
    load(keywords, {})


@pytest.mark.parametrize(
    ("keywords", "environ", "told"),
    [
        ({"trace_sampler": "2,pth:/a=1"}, {}, ["word 1 = '2'", "did you mean path"]),
        (
            {"trace_sampler": "0.5"},
            {"OTEL_TRACES_SAMPLER": "always_on"},
            ["names a sampler already, 'always_on'"],
        ),
        ({"trace_sampler": 0.5, "tracer_provider": TracerProvider()}, {}, ["has a sampler of its own"]),
        (
            {},
            {"OTEL_TRACES_SAMPLER": "spantap", "OTEL_TRACES_SAMPLER_ARG": "1.5,limit=x"},
            ["OTEL_TRACES_SAMPLER_ARG = '1.5'", "OTEL_TRACES_SAMPLER_ARG = 'limit=x'"],
        ),
    ],
)
def test_mistakes_about_traces(keywords: dict[str, Any], environ: dict[str, str], told: list[str]) -> None:
    """The sampler's words, and what it cannot be beside."""
    with pytest.raises(ConfigurationError) as caught:
        load(keywords, environ)

    assert len(caught.value.problems) == len(told)
    assert all(each in str(caught.value) for each in told)


def test_a_sampler_of_traces(tmp_path: Path) -> None:
    """As text, as a number, and as a list in the file."""
    (tmp_path / "spantap.toml").write_text('trace_sampler = ["0.1", "route:/orders/{id}=1", "limit=20"]\n')

    words = ("0.1", "route:/orders/{id}=1", "limit=20")
    assert read({}, {}, tmp_path).settings.trace_sampler == words
    assert load({"trace_sampler": ",".join(words)}, {}).trace_sampler == words
    assert load({"trace_sampler": 0.1}, {}).trace_sampler == ("0.1",)
