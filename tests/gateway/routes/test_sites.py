def test_operators_see_their_customer_s_sites(client, operator):
    assert [site["site_key"] for site in client.get("/api/v1/sites", headers=operator).json["sites"]] == ["key-1"]
