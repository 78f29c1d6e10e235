from services.accounts.bootstrap import bootstrap


def test_it_can_be_done_again_over_what_is_there(settings, context, ann):
    again = bootstrap(settings)

    assert again.operators.get("c1", ann.operator_id) == ann
    assert len(again.policies.all()[1]) == 1
    again.database.client.close()


def test_addresses_keys_and_secrets_are_unique_by_index(context):
    unique = {
        (name, tuple(field for field, _ in index["key"]))
        for name in ("operators", "sites", "sessions", "tokens")
        for index in context.database[name].index_information().values()
        if index.get("unique")
    }

    assert unique == {
        ("operators", ("email",)),
        ("sites", ("site_key",)),
        ("sessions", ("secret_hash",)),
        ("tokens", ("secret_hash",)),
    }
