import pytest
from pydantic import SecretStr, ValidationError

from chassis.auth import new_key, public_keys
from chassis.settings import StoreSettings, read

KEY = new_key("one")
COMPLETE = {
    "VELARO_AMQP_URL": "amqp://broker",
    "VELARO_MONGO_URL": "mongodb://user:sesame@database/one",
    "VELARO_SERVICE_KEY": KEY,
    "VELARO_SERVICE_KEYS": public_keys([KEY]),
}


class Settings(StoreSettings):
    patience: int = 5


@pytest.fixture(autouse=True)
def environment(monkeypatch):
    monkeypatch.delenv("VELARO_SECRETS_DIR", raising=False)
    for name, value in COMPLETE.items():
        monkeypatch.setenv(name, value)
    return monkeypatch


def test_settings_come_from_the_environment():
    settings = read(Settings)

    assert settings.amqp_url.get_secret_value() == "amqp://broker"
    assert settings.service_keys == public_keys([KEY])
    assert (settings.log_level, settings.patience) == ("INFO", 5)


def test_secrets_cannot_be_printed():
    assert "sesame" not in repr(read(Settings))


def test_settings_cannot_be_changed():
    settings = read(Settings)

    with pytest.raises(ValidationError):
        settings.patience = 6


def test_every_problem_is_told_at_once_and_no_value_with_it(environment, capsys):
    environment.delenv("VELARO_AMQP_URL")
    environment.delenv("VELARO_SERVICE_KEY")
    environment.setenv("VELARO_PATIENCE", "hunter2")

    with pytest.raises(SystemExit) as end:
        read(Settings)

    lines = capsys.readouterr().err.splitlines()
    assert end.value.code == 78
    assert sorted(line.partition(":")[0] for line in lines) == [
        "VELARO_AMQP_URL",
        "VELARO_PATIENCE",
        "VELARO_SERVICE_KEY",
    ]
    assert "hunter2" not in "".join(lines)


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("VELARO_AMQP_URL", ""),
        ("VELARO_AMQP_URL", "broker:5672"),
        ("VELARO_AMQP_URL", "amqp://hunter2@one:5672,two:many/vhost"),
        ("VELARO_AMQP_URL", "amqp://hunter2@one:5672,/vhost"),
        ("VELARO_AMQP_URL", "http://hunter2@broker"),
        ("VELARO_MONGO_URL", "mongodb://user:hunter2@database"),
        ("VELARO_MONGO_URL", "mongodb:///hunter2"),
        ("VELARO_MONGO_URL", "mongodb://hunter2@database/one"),
        ("VELARO_MONGO_URL", "mongodb://user:hunter2@x@database/one"),
        ("VELARO_SERVICE_KEY", ""),
        ("VELARO_SERVICE_KEY", "{}"),
        ("VELARO_SERVICE_KEY", '["hunter2"]'),
        ("VELARO_SERVICE_KEY", '{"kty":"OKP","crv":"Ed25519","x":"hunter2"}'),
        ("VELARO_SERVICE_KEYS", "{}"),
        ("VELARO_SERVICE_KEYS", '{"keys":[]}'),
        ("VELARO_SERVICE_KEYS", '{"keys":[{"kty":"OKP"}]}'),
    ],
)
def test_a_wrong_secret_is_told_by_its_name_in_one_line_and_never_shown(environment, capsys, name, wrong):
    environment.setenv(name, wrong)

    with pytest.raises(SystemExit):
        read(Settings)

    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith(f"{name}: ")
    assert "hunter2" not in line


def test_secrets_may_be_files(environment, tmp_path):
    environment.delenv("VELARO_MONGO_URL")
    (tmp_path / "velaro_mongo_url").write_text("mongodb://from-a-file/one")
    environment.setenv("VELARO_SECRETS_DIR", str(tmp_path))

    assert read(Settings).mongo_url == SecretStr("mongodb://from-a-file/one")
