"""Changes of every kind to a shop, and the records that the next incremental sync must read."""

from __future__ import annotations

import re
from collections import defaultdict
from typing import TYPE_CHECKING, Any

from integration_tests.connector import COLLECTIONS, DECLARED, PARENTS, is_incremental
from integration_tests.truth import expected, pairs
from tools.streams import facts_of, path_of

if TYPE_CHECKING:
    from klaviyo_simulator import Simulator

Changed = defaultdict[str, set[Any]]
"""The IDs of the changed records of each stream."""

OTHERS = re.compile(
    r"(campaign|event|flow|list|segment|profile|translation)s.*|catalog_(items|variants)|billing_usage"
    r"|campaign_messages_multichannel|global_exclusions|text_messaging_configurations"
)
"""The streams that have changes of their own here."""
PLAIN = {
    name: facts_of(stream).type_of(path_of(stream))
    for name, stream in DECLARED.items()
    if name in COLLECTIONS and is_incremental(name) and name not in PARENTS and not OTHERS.fullmatch(name)
}
"""All other streams whose records belong to nothing that has a date, and their type."""
CAMPAIGNS = ("campaigns", "campaigns_detailed", "campaigns_multichannel")
INCLUDED = {
    "campaigns": "campaign_messages",
    "campaigns_multichannel": "campaign_audiences",
    "flows": "flow_actions",
    # requested for each message, which has the same effect
    "campaign_messages_multichannel": "campaign_variations",
}
"""Streams, and their children whose records count as changed if the parent has changed."""
OCTOBER = "2026-10-15"


class Play:
    """Makes changes, and notes which records have changed.

    Args:
        shop: the shop to change.
        parents_move: whether the date of a parent changes with its children.
    """

    def __init__(self, shop: Simulator, *, parents_move: bool) -> None:
        self.shop = shop
        self.changed = Changed(set)
        self._parents_move = parents_move

    def note(self, ids: Any, *streams: str) -> None:
        """Note that these records have changed."""
        for stream in streams:
            self.changed[stream] |= set(ids)

    def moved(self, ids: Any, *streams: str) -> None:
        """Note the parents of changed records, if their dates move."""
        if self._parents_move:
            self.note(ids, *streams)

    def records_of_their_own(self) -> None:
        """Touch one record of each stream without parents, and create some."""
        for stream, name in PLAIN.items():
            touched = self.shop.ids(DECLARED[stream].resource)[1]
            self.shop.touch(name, touched)
            self.note([touched], stream)
        for stream in ("images", "reviews", "email_templates"):
            self.note(self.shop.create(PLAIN[stream], 2), stream)

    def flows(self) -> None:
        """Touch, create and delete a message each; archive a flow, and touch one of its actions."""
        flow_of = {action: flow for flow, action in expected(self.shop, "flow_actions")}
        (action, message), *_, (robbed, doomed) = sorted(expected(self.shop, "flow_messages"))
        self.shop.touch("flow-message", message)
        (made,) = self.shop.create("flow-message", of={"flow-action": action})
        self.shop.delete("flow-message", doomed)
        self.note([(action, message), (action, made)], "flow_messages")
        self.moved([(flow_of[action], action), (flow_of[robbed], robbed)], "flow_actions")

        step, flow = sorted(flow_of.items())[1]
        self.shop.touch("flow", flow, attributes={"archived": True})
        self.shop.touch("flow-action", step)
        self.note([flow], "flows")
        self.note([(flow, step)], "flow_actions")

    def forms(self) -> None:
        """Touch a version, and create one."""
        form, version = min(expected(self.shop, "form_versions"))
        self.shop.touch("form-version", version)
        (made,) = self.shop.create("form-version", of={"form": form})
        self.note([(form, version), (form, made)], "form_versions")
        self.moved([form], "forms")

    def campaigns(self) -> None:
        """Touch a message, and another campaign."""
        (campaign, message), *_, (other, _) = sorted(expected(self.shop, "campaign_messages"))
        self.shop.touch("campaign-message", message)
        self.shop.touch("campaign", other)
        self.note([(campaign, message)], "campaign_messages")
        self.note([message], "campaign_messages_multichannel")
        self.note([other], *CAMPAIGNS)
        self.moved([campaign], *CAMPAIGNS)

    def multichannel(self) -> None:
        """Archive a campaign of the canvas; create an audience and two messages, and delete one of these."""
        listed = set(self.shop.ids("campaigns"))
        archived, campaign, *_ = (one for one in self.shop.ids("campaigns", OCTOBER) if one not in listed)
        definition = {"name": "Archiviert", "archived": True, "builder": "canvas"}
        self.shop.touch("canvas-campaign", archived, attributes={"definition": definition})
        (audience,) = self.shop.create("campaign-audience", of={"canvas-campaign": campaign})
        message, doomed = self.shop.create("canvas-message", 2, of={"canvas-campaign": campaign})
        self.shop.create("campaign-variation", 2, of={"canvas-message": message})
        self.shop.delete("canvas-message", doomed)
        self.note([archived], "campaigns_multichannel")
        self.moved([campaign], "campaigns_multichannel")
        self.note([(campaign, audience)], "campaign_audiences")
        self.note([message], "campaign_messages_multichannel")

    def account(self) -> None:
        """Add a number for text messages, and use some of the plan."""
        (sender,) = self.shop.create("text-messaging-sender")
        (registration,) = self.shop.create("text-messaging-sender-registration", of={"text-messaging-sender": sender})
        (configuration,) = self.shop.ids("text-messaging-configurations")
        self.shop.touch("text-messaging-configuration", configuration, attributes={"status": "disabled"})
        self.shop.touch("billing-usage", "email_sends", attributes={"usage_used": 12.5})
        translation = self.shop.ids("translations")[0]
        self.shop.touch("translation", translation)
        self.note([(sender, registration)], "text_messaging_sender_registrations")
        self.note([configuration], "text_messaging_configurations")
        self.note(["email_sends"], "billing_usage")
        self.note([translation], "translations", "translations_detailed")

    def groups(self, name: str) -> None:
        """Let profiles join the first list (or segment) and a new one, let one leave; rename a list, delete another."""
        both, members = (f"{name}s", f"{name}s_detailed"), f"{name}_profiles"
        first, doomed, renamed, *_ = self.shop.ids(f"{name}s")
        inside = {profile for group, profile in expected(self.shop, members) if group == first}
        joining = [*sorted(set(self.shop.ids("profiles")) - inside)[:2], max(inside)]  # the last one joins again
        (made,) = self.shop.create(name)
        for group in (first, made):
            self.shop.join(name, group, "profile", joining)
            self.note([(group, profile) for profile in joining], members)
        self.shop.leave(name, first, "profile", [min(inside)])
        self.shop.touch(name, renamed)
        self.shop.delete(name, doomed)
        self.note([made, renamed], *both)
        self.moved([first], *both)

    def catalog(self) -> None:
        """Touch an item, and create one with variants."""
        category, item = min(pairs(self.shop, "catalog-categories", "items"))
        self.shop.touch("catalog-item", item)
        (made,) = self.shop.create("catalog-item", of={"catalog-category": category})
        variants = self.shop.create("catalog-variant", 2, of={"catalog-item": item})
        self.note([item, made], "catalog_items")
        self.note(variants, "catalog_variants")
        self.moved([category], "catalog_categories")

    def snapshots(self) -> None:
        """Create and delete records without a date."""
        self.shop.create("coupon-code", 3, of={"coupon": self.shop.ids("coupons")[-1]})
        self.shop.delete("coupon-code", self.shop.ids("coupon-codes")[0])
        self.shop.create("tag", 2)
        self.shop.delete("tag", self.shop.ids("tags")[0])
        self.shop.create("brand-button")
        self.shop.delete("brand-logo", self.shop.ids("brand-logos")[0])
        self.shop.touch("brand-voice", self.shop.ids("brand-voice")[0], attributes={"version": "v2"})

    def people(self) -> None:
        """Create events and a profile; touch a profile, and suppress some."""
        made = self.shop.mutate(events=3, new_profiles=1, suppress_profiles=2)
        touched = min(set(self.shop.ids("profiles")) - expected(self.shop, "global_exclusions"))
        self.shop.touch("profile", touched)
        self.note(made["events"], "events", "events_detailed")
        self.note([touched, *made["new_profiles"], *made["suppress_profiles"]], "profiles")
        self.note(made["suppress_profiles"], "global_exclusions")
        for name in ("list", "segment"):
            groups = {group for group, profile in expected(self.shop, f"{name}_profiles") if profile == touched}
            self.moved(groups, f"{name}s", f"{name}s_detailed")

    def included(self) -> None:
        """Note the children that are included in the pages of changed parents."""
        for parents, children in INCLUDED.items():
            pairs_of = expected(self.shop, children)
            self.note([pair for pair in pairs_of if pair[0] in self.changed[parents]], children)


def play(shop: Simulator, *, parents_move: bool) -> Changed:
    """Change something of every kind; return the changed records of each incremental stream."""
    changes = Play(shop, parents_move=parents_move)
    changes.records_of_their_own()
    changes.flows()
    changes.forms()
    changes.campaigns()
    changes.multichannel()
    changes.account()
    changes.groups("list")
    changes.groups("segment")
    changes.catalog()
    changes.snapshots()
    changes.people()
    changes.included()
    return changes.changed
