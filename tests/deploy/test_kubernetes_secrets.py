"""The Secrets of an installation: made once, with the users and rights that the other installations have."""

import json
import re
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pymongo.uri_parser
import pytest

from chassis.auth import TokenIssuer, TokenVerifier
from deploy import broker_users
from deploy.kubernetes.secrets import AUTOSCALER, all_of
from deploy.secrets import SERVICES, WITH_DATABASE
from deploy.secrets import Secrets as KeptSecrets

Secrets = dict[str, dict[str, str]]


def made(folder: Path, **options: Any) -> Secrets:
    chosen = {"namespace": "velaro", "mongodb_members": 3, "smtp_url": "smtp+starttls://mail.example.com"} | options
    return {secret["metadata"]["name"]: secret["stringData"] for secret in all_of(folder, **chosen)}


@pytest.fixture
def secrets(tmp_path: Path) -> Secrets:
    return made(tmp_path)


def users(secrets: Secrets) -> dict[str, Any]:
    return json.loads(secrets["rabbitmq-users"]["users.json"])


def test_the_same_folder_gives_the_same_secrets(tmp_path: Path) -> None:
    first, second = made(tmp_path), made(tmp_path)

    # Each salts its hashes anew; the passwords behind them are in the other Secrets.
    del first["rabbitmq-users"], second["rabbitmq-users"]
    assert first == second


def test_nobody_but_the_owner_can_look_into_the_folder(tmp_path: Path) -> None:
    folder = tmp_path / "kept"
    made(folder)

    assert folder.stat().st_mode & 0o077 == 0
    assert all(path.stat().st_mode & 0o077 == 0 for path in folder.rglob("*") if path.is_file())


def test_every_service_has_a_user_of_its_own_on_broker_and_database(secrets: Secrets) -> None:
    for service in SERVICES:
        assert urlsplit(secrets[service]["velaro_amqp_url"]).username == service
    for service in WITH_DATABASE:
        login = pymongo.uri_parser.parse_uri(secrets[service]["velaro_mongo_url"])
        assert (login["username"], login["database"]) == (service, service)
        assert login["password"] == secrets[f"mongodb-{service}"]["password"]


def test_there_are_as_many_members_of_the_database_in_the_url_as_there_are(tmp_path: Path) -> None:
    url = made(tmp_path, mongodb_members=1, namespace="support")["chat"]["velaro_mongo_url"]

    assert pymongo.uri_parser.parse_uri(url)["nodelist"] == [("mongodb-0.mongodb-svc.support.svc", 27017)]


def test_rights_on_the_broker_are_those_of_every_other_installation(secrets: Secrets, tmp_path: Path) -> None:
    elsewhere = broker_users.with_users(KeptSecrets.kept_in(tmp_path))["permissions"]

    assert [rights for rights in users(secrets)["permissions"] if rights["user"] != AUTOSCALER] == elsewhere


def test_the_autoscaler_sees_queues_and_has_no_right_to_any(secrets: Secrets) -> None:
    [user] = [user for user in users(secrets)["users"] if user["name"] == AUTOSCALER]
    rights = [rights for rights in users(secrets)["permissions"] if rights["user"] == AUTOSCALER]

    assert user["tags"] == ["management"]
    assert {each["vhost"] for each in rights} == {"velaro", "velaro-tasks"}
    for each in rights:
        assert not any(re.search(each[what], "chat.p.00") for what in ("configure", "write", "read"))


def test_no_password_of_the_broker_is_written_in_its_definitions(secrets: Secrets) -> None:
    passwords = [urlsplit(secrets[service]["velaro_amqp_url"]).password for service in SERVICES]
    passwords.append(urlsplit(secrets[AUTOSCALER]["rabbitmq_url"]).password)

    assert all(password and password not in secrets["rabbitmq-users"]["users.json"] for password in passwords)


def test_a_service_believes_the_gateway_and_has_no_key_but_its_own(secrets: Secrets) -> None:
    private = [secrets[service]["velaro_service_key"] for service in SERVICES]

    assert len(set(private)) == len(SERVICES)
    assert all("velaro_service_keys" in secrets[service] for service in SERVICES)
    public = {secrets[service]["velaro_service_keys"] for service in SERVICES}
    assert len(public) == 1
    assert all('"d"' not in keys for keys in public)
    TokenIssuer("gateway", secrets["gateway"]["velaro_service_key"])
    TokenVerifier("chat", secrets["chat"]["velaro_service_keys"])
