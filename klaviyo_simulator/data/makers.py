"""How records of each type are made."""

from __future__ import annotations

from typing import TYPE_CHECKING

from klaviyo_simulator.data import (
    brands,
    campaigns,
    catalog,
    commerce,
    content,
    custom_objects,
    flows,
    forms,
    groups,
    metrics,
    multichannel,
    profiles,
    text_messaging,
    translations,
)

if TYPE_CHECKING:
    from klaviyo_simulator.data.birth import Maker

MAKERS: dict[str, Maker] = {
    "billing-usage": translations.billing_usage,
    "brand-button": brands.button,
    "brand-color": brands.color,
    "brand-logo": brands.logo,
    "brand-social-group": brands.social_group,
    "campaign": campaigns.campaign,
    "campaign-audience": multichannel.campaign_audience,
    "campaign-message": campaigns.campaign_message,
    "campaign-variation": multichannel.campaign_variation,
    "canvas-campaign": multichannel.canvas_campaign,
    "canvas-message": multichannel.canvas_message,
    "catalog-category": commerce.category,
    "catalog-item": commerce.item,
    "catalog-variant": commerce.variant,
    "conversation": profiles.conversation,
    "coupon": commerce.coupon,
    "coupon-code": commerce.coupon_code,
    "custom-metric": metrics.custom_metric,
    "data-source": custom_objects.data_source,
    "flow": flows.flow,
    "flow-action": flows.flow_action,
    "flow-message": flows.flow_message,
    "form": forms.form,
    "form-version": forms.form_version,
    "image": content.image,
    "list": groups.a_list,
    "mapped-metric": metrics.mapped_metric,
    "metric": metrics.metric,
    "metric-property": metrics.metric_property,
    "object-record": custom_objects.object_record,
    "object-schema": custom_objects.object_schema,
    "object-type": custom_objects.object_type,
    "profile-object-type": custom_objects.profile_object_type,
    "push-token": profiles.push_token,
    "review": commerce.review,
    "segment": groups.segment,
    "tag": catalog.tag,
    "tag-group": catalog.tag_group,
    "template": content.template,
    "template-universal-content": content.universal_content,
    "text-messaging-sender": text_messaging.sender,
    "text-messaging-sender-registration": text_messaging.registration,
    "translation": translations.translation,
    "web-feed": content.web_feed,
    "webhook": catalog.webhook,
    "webhook-topic": catalog.webhook_topic,
}
"""For each type that can be made one by one; profiles are made by a maker of their own."""
