from chassis.ids import new_id


def test_ids_differ_and_sort_in_the_order_in_which_they_were_made():
    ids = [new_id() for _ in range(2000)]

    assert len(set(ids)) == len(ids)
    assert ids == sorted(ids)
