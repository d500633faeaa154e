"""Details of some types beyond the facts: other forms of IDs, and values that depend on each other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from typing_extensions import override

from klaviyo_simulator.data import words
from klaviyo_simulator.data.records import Record, ids_of
from klaviyo_simulator.protocol.instants import DAY, iso

if TYPE_CHECKING:
    from collections.abc import Callable

    from klaviyo_simulator.data.made_up import MakerContext

METRIC_NAMES = (
    *("Placed Order", "Ordered Product", "Viewed Product", "Added to Cart", "Checkout Started"),
    *("Received Email", "Opened Email", "Clicked Email", "Bounced Email", "Unsubscribed"),
    *("Received SMS", "Clicked SMS", "Subscribed to List", "Fulfilled Order", "Refunded Order", "Active on Site"),
    *("Viewed Form", "Closed Form"),
)
MAPPINGS = (
    *("added_to_cart", "cancelled_sales", "ordered_product", "refunded_sales", "revenue"),
    *("started_checkout", "viewed_product"),
)
TOPICS = (
    *("event:klaviyo.opened_email", "event:klaviyo.clicked_email", "event:klaviyo.received_sms"),
    *("event:klaviyo.submitted_review", "event:klaviyo.unsubscribed_from_email_marketing"),
)
# Recorded: a category is a text or an object, and some metrics have no integration.
_INTEGRATIONS: tuple[dict[str, Any] | None, ...] = (
    {"object": "integration", "id": "0eMvjm", "key": "shopify", "name": "Shopify", "category": "eCommerce"},
    {"object": "integration", "id": "0rG4eQ", "key": "klaviyo", "name": "Klaviyo", "category": "Internal"},
    {"object": "integration", "id": "7FtS4J", "key": "api", "name": "API", "category": "API"},
    {"object": "integration", "id": "4kQvPx", "key": "p", "name": "P", "category": {"category": "Shipping", "id": 9}},
    None,
)
USAGES = (
    *("email_sends", "sms_credits", "active_profiles", "customer_hub_active_profiles", "reviews_orders"),
    *("agent_resolutions", "spend"),
)
_TRANSLATED = ("campaign-variation", "flow-message", "template", "template-universal-content", "consent-page")


class Group(Record):
    """A list or segment, with the number of its members."""

    __slots__ = ()

    @property
    @override
    def attributes(self) -> dict[str, Any]:
        """The attributes, with the number of members."""
        return {**self._attributes, "profile_count": len(ids_of(self.relations.get("profiles")))}


def _short_id(context: MakerContext, record: Record) -> None:
    record.id = words.short_id(context.random)


def _uuid(context: MakerContext, record: Record) -> None:
    record.id = words.uuid_text(context.random)


def _account(context: MakerContext, record: Record) -> None:
    record.id = words.short_id(context.random)
    record.change(public_api_key=record.id, test_account=False)


def _custom_metric(context: MakerContext, record: Record) -> None:
    record.id = words.uuid_text(context.random)
    metrics = list(dict.fromkeys(each for _ in range(2) if (each := context.pick("metric"))))
    record.relations["metrics"] = metrics
    above_ten = {"property": "$value", "filter": {"type": "numeric", "operator": "greater-than", "value": 10}}
    record.attributes["definition"]["metric_groups"] = [
        {"metric_id": each, "metric_filters": context.random.choice(([above_ten], None)), "value_property": None}
        for each in metrics
    ]


def _form(context: MakerContext, record: Record) -> None:
    record.id = words.short_id(context.random)
    record.change(definition={"versions": []})


def _form_version(context: MakerContext, record: Record) -> None:
    record.id = str(1_000_000 + context.number * 7)


def _image(context: MakerContext, record: Record) -> None:
    record.id = str(100_000 + context.number * 3)
    hidden = context.number % 5 == 4
    record.change(format=context.random.choice(("jpeg", "png", "gif")), hidden=hidden)
    if (
        hidden and context.number % 2
    ):  # PATCH replaces all attributes, so it removes the name of the image that it hides
        record.change(name=None)


def _mapped_metric(context: MakerContext, record: Record) -> None:
    record.id = MAPPINGS[context.number % len(MAPPINGS)]
    kind = ("metric", "custom-metric", "metric", None)[context.number % 4]
    record.relations.update(
        {name: context.pick(name) if name == kind else None for name in ("metric", "custom-metric")}
    )


def _metric(context: MakerContext, record: Record) -> None:
    record.id, number = words.short_id(context.random), context.number
    name = METRIC_NAMES[number] if number < len(METRIC_NAMES) else f"Custom Metric {number} ✓"
    record.change(name=name, integration=_INTEGRATIONS[number % len(_INTEGRATIONS)])


def _metric_property(context: MakerContext, record: Record) -> None:
    record.id = words.short_id(context.random) + str(context.number)
    record.change(inferred_type=context.random.choice(("numeric", "list", "string")), sample_values=None)


def _object_schema(context: MakerContext, record: Record) -> None:
    draft = context.number % 3 == 2
    record.change(status="draft" if draft else "active", published_at=None if draft else iso(context.updated))


def _object_type(context: MakerContext, record: Record) -> None:
    # Recorded: types of the account have one namespace, those of apps another.
    record.change(namespace="applications/01HX" if context.number % 2 else "custom-objects")
    for relation in ("current-schema", "draft-schema", "profile-object-types"):
        record.relations.pop(relation, None)  # set with its schemas


def _push_token(context: MakerContext, record: Record) -> None:
    # Members of groups are filtered by the token, so it is the ID.
    record.id = words.uuid_text(context.random)
    record.change(token=record.id)


def _review(context: MakerContext, record: Record) -> None:
    record.id = str(10**9 + context.number * 11)
    status, kind = record.attributes["status"], record.attributes["review_type"]
    if status and status["value"] != "rejected":
        record.change(status={"value": status["value"]})
    record.change(rating=None if kind == "question" else context.random.randrange(1, 6))
    record.relations["item"] = None if kind == "store" else context.pick("catalog-item")


def _segment(context: MakerContext, record: Record) -> None:
    record.id = words.short_id(context.random)
    condition: dict[str, Any] = {"type": "profile-region", "in_region": False, "region": "united_states"}
    if context.number % 2:  # recorded: timeframe_filter is null
        groups = [each] if (each := context.pick("list")) else []
        condition = {"type": "profile-group-membership", "is_member": True, "group_ids": groups}
        condition["timeframe_filter"] = None
    definition = {"condition_groups": [{"conditions": [condition]}]}
    record.change(is_active=context.number % 5 != 4, definition=words.or_null(context.random, definition))


def _tag_group(context: MakerContext, record: Record) -> None:
    record.id, first = words.uuid_text(context.random), context.number == 0
    record.change(default=first, **({"name": "Default"} if first else {}))


def _template(context: MakerContext, record: Record) -> None:
    record.id = words.short_id(context.random)
    editor = context.random.choice(("SYSTEM_DRAGGABLE", "SIMPLE", "CODE", "USER_DRAGGABLE"))
    body = {"id": "1", "properties": {"id": None, "css_class": None}, "styles": {"width": 600}, "sections": []}
    definition: dict[str, Any] = {"id": "1", "template_id": None, "body": body, "styles": []}
    record.change(editor_type=editor, definition=definition if editor == "SYSTEM_DRAGGABLE" else None)


def _tracking_setting(_: MakerContext, record: Record) -> None:
    both = {"flow": {"type": "dynamic", "value": "flow_name"}, "campaign": {"type": "static", "value": "kampanya é"}}
    given = dict.fromkeys(("utm_medium", "utm_campaign"), both)
    record.change(**given, utm_source={**both, "campaign": None}, utm_id=None, utm_term=None)
    record.change(custom_parameters=[{"name": "quelle", **both}])


def _translation(context: MakerContext, record: Record) -> None:
    kind = _TRANSLATED[context.number % len(_TRANSLATED)]
    related = words.ulid(context.random, context.created) if kind == "consent-page" else context.pick(kind)
    record.id = f"{kind}::{record.attributes['channel']}::{record.id}"
    record.relations.update({name: related if name == kind else None for name in _TRANSLATED})
    record.hidden = {"resource_type": kind, "related_resource_id": related}
    if context.random.random() < 0.1:
        record.change(created=None, updated=None)


def _universal_content(context: MakerContext, record: Record) -> None:
    hidden = {"show_on": "all", "visible_check": None, "content_repeat": None}
    text = {"content": context.random.choice(words.PRODUCTS), "display_options": hidden}
    kind, data = context.random.choice((("html", text), ("video", None), ("social", "icons")))
    block = {"content_type": "block", "type": kind, "data": data}
    record.change(definition=words.or_null(context.random, block, 0.1))


def _usage(context: MakerContext, record: Record) -> None:
    name = USAGES[context.number % len(USAGES)]
    record.id = name if context.number < len(USAGES) else f"{name}_{context.number}"
    start = context.updated - context.updated % (30 * DAY)
    record.change(period_start=iso(start), period_end=iso(start + 30 * DAY))


def _webhook(context: MakerContext, record: Record) -> None:
    if context.random.random() < 0.2:
        record.change(created_at=None, updated_at=None)


def _webhook_topic(context: MakerContext, record: Record) -> None:
    record.id = TOPICS[context.number % len(TOPICS)]


DETAILS: dict[str, Callable[[MakerContext, Record], None]] = {
    "account": _account,
    "billing-usage": _usage,
    "custom-metric": _custom_metric,
    "form": _form,
    "form-version": _form_version,
    "image": _image,
    "list": _short_id,
    "mapped-metric": _mapped_metric,
    "metric": _metric,
    "metric-property": _metric_property,
    "object-schema": _object_schema,
    "object-type": _object_type,
    "push-token": _push_token,
    "review": _review,
    "segment": _segment,
    "tag": _uuid,
    "tag-group": _tag_group,
    "template": _template,
    "template-universal-content": _universal_content,
    "tracking-setting": _tracking_setting,
    "translation": _translation,
    "webhook": _webhook,
    "webhook-topic": _webhook_topic,
}
