"""Translations, and the items of catalog categories."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from unit_tests.fake_api import FakeKlaviyo, sync
from unit_tests.streams.documents import GONE, item, page

if TYPE_CHECKING:
    from unit_tests.fake_api import Request

EMAIL, PAGE = "campaign-variation::email::01KH", "consent-page::web::01KJ"
STATE = {"updated": "2024-06-01T00:00:00+0000"}
OLD, NEW = "2024-05-01T00:00:00Z", "2024-06-10T00:00:00Z"


def translation(identity: str, updated: str | None, **more: Any) -> dict[str, Any]:
    attributes = {"source_locale": "en", "target_locales": ["tr"], "updated": updated, **more}
    return {"type": "translation", "id": identity, "attributes": attributes, "relationships": {}}


class Translator:
    """Lists translations, and shows their texts one by one."""

    def __init__(self, klaviyo: FakeKlaviyo, **updated: str | None) -> None:
        self.listed = [translation(EMAIL, updated.get("email", OLD)), translation(PAGE, updated.get("page", OLD))]
        for one in self.listed:
            one["relationships"] = {"campaign-variation": {"data": {"type": "campaign-variation", "id": "V1"}}}
        self.gone: set[str] = set()
        klaviyo.before = self.answer

    def answer(self, request: Request) -> tuple[int, bytes]:
        if request.resource == "translations":
            return page(*self.listed)
        assert request.params == {"additional-fields[translation]": "values"}
        identity = request.resource.removeprefix("translations/").replace("%3A", ":")
        if identity in self.gone:
            return GONE
        return item(translation(identity, OLD, values=[{"id": "1", "source": "Hi"}]))


def test_translations_are_listed_with_what_they_translate(klaviyo: FakeKlaviyo) -> None:
    Translator(klaviyo)
    assert sync("translations").ids() == [EMAIL, PAGE]
    (params,) = klaviyo.first_pages()
    assert params["include"] == "campaign-variation,flow-message,template,template-universal-content"
    assert params["page[size]"] == "100"


def test_only_translations_that_changed_or_have_no_date_are_emitted_again(klaviyo: FakeKlaviyo) -> None:
    Translator(klaviyo, email=NEW)
    assert sync("translations", state={"translations": STATE}).ids() == [EMAIL]
    Translator(klaviyo, page=None)
    assert sync("translations", state={"translations": STATE}).ids() == [PAGE]


def test_texts_are_requested_of_changed_translations_only(klaviyo: FakeKlaviyo) -> None:
    Translator(klaviyo, email=NEW)
    (record,) = sync("translations_detailed", state={"translations_detailed": STATE}).records()
    assert record["id"] == EMAIL
    assert record["attributes"]["values"] == [{"id": "1", "source": "Hi"}]
    assert [request.resource for request in klaviyo.requests] == [
        "translations",
        "translations/campaign-variation%3A%3Aemail%3A%3A01KH",
    ]


def test_texts_hold_the_ids_of_what_they_translate(klaviyo: FakeKlaviyo) -> None:
    """The collection includes them; a single translation would need a further scope for them."""
    translator = Translator(klaviyo)
    record, _ = sync("translations_detailed").records()
    assert record["relationships"] == translator.listed[0]["relationships"]
    assert "values" in record["attributes"]


def test_a_translation_deleted_since_it_was_listed_is_left_out(klaviyo: FakeKlaviyo) -> None:
    Translator(klaviyo).gone = {EMAIL}
    output = sync("translations_detailed")
    assert (output.raised, output.ids()) == (None, [PAGE])


def test_items_and_categories_are_pairs(klaviyo: FakeKlaviyo) -> None:
    def before(request: Request) -> tuple[int, bytes]:
        if request.resource == "catalog-categories":
            return page(*({"type": "catalog-category", "id": each} for each in ("A:1", "B")))
        assert request.params == {"fields[catalog-item]": "external_id", "page[size]": "100"}
        items = {"catalog-categories/A%3A1/items": ["I1", "I2"], "catalog-categories/B/items": ["I2"]}
        return page(*({"type": "catalog-item", "id": each, "attributes": {}} for each in items[request.resource]))

    klaviyo.before = before
    output = sync("catalog_category_items")
    assert sorted(map(list, (record.items() for record in output.records()))) == [
        [("catalog_item_id", "I1"), ("catalog_category_id", "A:1")],
        [("catalog_item_id", "I2"), ("catalog_category_id", "A:1")],
        [("catalog_item_id", "I2"), ("catalog_category_id", "B")],
    ]
