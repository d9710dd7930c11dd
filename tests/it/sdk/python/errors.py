"""What the SDK raises when a request is not as it should be."""

from common import RECEIVER, client, error, in_both_versions


def drive(c, version, key):
    events = ["batch.succeeded"]
    webhooks, interactions, batches = c.webhooks, c.interactions, c.batches
    nobody = client(None if version == "v1" else version, headers={"x-goog-api-key": ""})
    id = webhooks.create(uri=f"{RECEIVER}/static", subscribed_events=events).id
    config = {"uris": ["ftp://example.com"]}
    return {
        "webhook_missing": error(lambda: webhooks.get("no-such-webhook")),
        "webhook_of_a_full_name": error(lambda: webhooks.get(f"webhooks/{id}")),
        "interaction_missing": error(lambda: interactions.get("no-such-interaction")),
        "batch_missing": error(lambda: batches.get(name="batches/no-such-batch")),
        "uri": error(lambda: webhooks.create(uri="example.com/hook", subscribed_events=events)),
        "event": error(lambda: webhooks.create(uri=RECEIVER, subscribed_events=[*events, "no.such.event"])),
        "state": error(lambda: webhooks.update(id, state="disabled_due_to_failed_deliveries")),
        "mask": error(lambda: webhooks.update(id, name="new", update_mask="name,id")),
        "page_token": error(lambda: webhooks.list(page_token="???")),
        "webhook_config": error(
            lambda: interactions.create(model="m", input="hello", background=True, webhook_config=config)
        ),
        "batch_webhook_config": error(
            lambda: batches.create(model="m", src="files/1", config={"webhook_config": config})
        ),
        "stream": error(lambda: interactions.create(model="m", input="hello", stream=True)),
        "no_key": error(lambda: nobody.webhooks.list()),
        "no_key_of_batches": error(lambda: nobody.batches.get(name="batches/1")),
        # Nothing came of it.
        "only_the_good_one": [w.id for w in webhooks.list().webhooks] == [id],
    }


in_both_versions(drive)
