import json

import pytest

from b3.errors import BadLayout
from b3.indexes.pages import documents, join_pages, page_count
from b3.site.addresses import MOST_PAGES
from tests.plugins.b3.indexes import index_pages


@pytest.fixture
def three():
    return [index_pages.as_bytes(document) for document in index_pages.documents(page_size=2)]


class TestPageCount:
    def test_is_the_same_on_every_page(self, three):
        assert [page_count(page) for page in three] == [3, 3, 3]
        assert page_count(index_pages.day()) == 1

    def test_beyond_any_index_is_refused(self, three):
        wide = json.loads(three[0])
        wide["page"]["totalPages"] = MOST_PAGES + 1

        with pytest.raises(BadLayout, match=f"at most {MOST_PAGES} pages; found {MOST_PAGES + 1} in page.totalPages"):
            page_count(json.dumps(wide).encode())


class TestJoinPages:
    def test_keeps_pages_as_received(self, three):
        joined = join_pages(three)

        assert join_pages(three[:1]) == three[0]
        assert all(page in joined for page in three)
        assert json.loads(joined) == [json.loads(page) for page in three]

    def test_is_undone_by_documents(self, three):
        assert documents(join_pages(three), "three pages") == [json.loads(page) for page in three]
