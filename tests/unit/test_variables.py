from __future__ import annotations

import pytest

from attune_cli.runtime.model.variables import looks_secret, secret_values


@pytest.mark.parametrize(
    "name",
    [
        *(
            "TOKEN",
            "GITHUB_TOKEN",
            "GITHUBTOKEN",
            "TOKEN_OF_CI",
            "token",
            "DB_PASSWORD",
            "dbPassword",
            "PGPASSWORD",
        ),
        *("AWS_SECRET_ACCESS_KEY", "CLIENT_SECRET", "API_KEY", "APIKEY", "OPENAI_API_KEY", "SSH_PASSPHRASE"),
        *("MYSQL_PASS", "GOOGLE_CREDENTIALS", "CREDENTIAL", "my-token", "SMTP_PASSWD", "HTTP_AUTH"),
    ],
)
def test_names_that_say_that_their_value_is_secret(name: str) -> None:
    assert looks_secret(name)


@pytest.mark.parametrize(
    "name",
    [
        "PATH",
        "KEYBOARD",
        "MONKEY",
        "MAX_TOKENS",
        "TOKENIZERS_PARALLELISM",
        "AUTHOR",
        "PWD",
        "COMPASS",
        "HOME",
        "",
    ],
)
def test_names_that_do_not(name: str) -> None:
    assert not looks_secret(name)


def test_a_switch_is_no_secret() -> None:
    assert secret_values({"USE_TOKEN": "true", "TOKEN": "tok-123", "HOST": "example"}) == ["tok-123"]
