"""Ids are known again, however many there are."""

from transforms.manifest_ids import SeenIds


def test_the_place_that_an_id_was_seen_at() -> None:
    with SeenIds() as seen:
        assert seen.add("a", "m:1") is None
        assert seen.add("A", "m:2") is None
        assert seen.add("a ", "m:3") is None
        assert seen.add("a", "m:4") == "m:1"
        assert seen.add("a", "m:5") == "m:1"


def test_ids_are_known_among_many() -> None:
    with SeenIds() as seen:
        for number in range(20_000):
            assert seen.add(f"{number:0>100}", f"m:{number}") is None
        assert seen.add(f"{0:0>100}", "again") == "m:0"
        assert seen.add(f"{19_999:0>100}", "again") == "m:19999"
