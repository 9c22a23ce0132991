from infra.deploy.objects import ObjectChange, Present, md5, plan, sha256

NEW = b"new content"


def there(body: bytes, **more: str) -> Present:
    return Present(len(body), more.pop("etag", md5(body)), **more)


class TestPlan:
    def test_adds_what_is_missing(self):
        assert plan("b", {"k": NEW}, {}) == [ObjectChange("+", "b", "k", NEW)]

    def test_replaces_what_differs_even_at_the_same_size(self):
        assert plan("b", {"k": NEW}, {"k": there(b"old content")}) == [ObjectChange("~", "b", "k", NEW)]

    def test_leaves_what_is_the_same(self):
        assert plan("b", {"k": NEW}, {"k": there(NEW)}) == []

    def test_removes_what_is_gone_after_everything_else(self):
        changes = plan("b", {"k": NEW}, {"a": there(b"")})

        assert [str(change) for change in changes] == ["+ s3://b/k  11 bytes", "- s3://b/a"]

    def test_goes_by_the_hash_kept_with_it_where_a_key_of_kms_makes_the_etag_another(self):
        kept = {"k": there(NEW, etag="f" * 32, sha256=sha256(NEW))}

        assert plan("b", {"k": NEW}, kept) == []
        assert [change.sign for change in plan("b", {"k": b"NEW CONTENT"}, kept)] == ["~"]
