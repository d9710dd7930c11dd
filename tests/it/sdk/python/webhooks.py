"""Every method of the webhooks, through the SDK."""

from common import RECEIVER, advance, delivered, error, in_both_versions, moment, raw


def webhook(w):
    def secret(s):
        return {"truncated_secret": s.truncated_secret, "expire_time": moment(s.expire_time)}

    return {
        "id": w.id,
        "name": w.name,
        "uri": w.uri,
        "subscribed_events": w.subscribed_events,
        "state": w.state,
        "create_time": moment(w.create_time),
        "update_time": moment(w.update_time),
        "new_signing_secret": w.new_signing_secret,
        "signing_secrets": None if w.signing_secrets is None else [secret(s) for s in w.signing_secrets],
    }


def pages(webhooks, size):
    found, token = [], None
    while True:
        page = webhooks.list(page_size=size, **({"page_token": token} if token else {}))
        found.append([webhook(w) for w in page.webhooks])
        token = page.next_page_token
        if not token:
            return found


def drive(client, version, key):
    webhooks = client.webhooks
    uri = f"{RECEIVER}/static/{version}"
    facts = {"none": webhooks.list().webhooks}
    created = webhooks.create(uri=uri, subscribed_events=["video.generated", "batch.succeeded"], name="first")
    id = created.id
    facts["created"] = webhook(created)
    others = [webhooks.create(uri=f"{uri}/{n}", subscribed_events=["interaction.completed"]) for n in range(4)]
    facts["others"] = [webhook(other) for other in others]
    facts["got"] = webhook(webhooks.get(id))
    facts["pages"] = pages(webhooks, 2)
    facts["all"] = pages(webhooks, None)

    def ping(of):
        answer = webhooks.ping(of).model_dump(exclude_none=True)
        # Before anything changes that it would be signed with.
        delivered()
        return answer

    facts["pinged"] = ping(id)

    advance("1m")
    change = {"name": "second", "uri": f"{uri}/moved", "subscribed_events": ["batch.failed", "batch.expired"]}
    updated = webhooks.update(id, **change)
    facts["updated"] = webhook(updated)
    # The mask takes one of the two.
    facts["masked"] = webhook(webhooks.update(id, name="third", uri="https://example.com/not-this", update_mask="name"))
    masked_two = webhooks.update(id, name="fourth", state="disabled", update_mask="state,name")
    facts["masked_two"] = webhook(masked_two)
    facts["ping_of_disabled"] = error(lambda: webhooks.ping(id))
    facts["enabled"] = webhook(webhooks.update(id, state="enabled"))

    def rotate(call):
        advance("1m")
        before = webhook(webhooks.get(id))
        secret = call()
        after = webhook(webhooks.get(id))
        ping(id)
        return {"before": before, "secret": secret, "after": after}

    def rotate_by_sdk(**behavior):
        return rotate(lambda: webhooks.rotate_signing_secret(id, **behavior).secret)

    def rotate_by_hand(path, behavior):
        body = {"revocation_behavior": behavior}
        return rotate(lambda: raw("POST", f"/{version}/webhooks/{id}{path}", body, key)["secret"])

    facts["rotations"] = {
        "after_a_day": rotate_by_sdk(revocation_behavior="revoke_previous_secrets_after_h24"),
        "at_once": rotate_by_sdk(revocation_behavior="revoke_previous_secrets_immediately"),
        "unless_said": rotate_by_sdk(),
        "capitals_at_once": rotate_by_hand("/rotate_secret", "REVOKE_PREVIOUS_SECRETS_IMMEDIATELY"),
        "capitals_after_a_day": rotate_by_hand(":rotateSigningSecret", "REVOKE_PREVIOUS_SECRETS_AFTER_H24"),
    }
    advance("24h")
    facts["a_day_later"] = webhook(webhooks.get(id))
    ping(id)

    # One whose receiver says that it is gone, and comes back.
    gone = webhooks.create(uri=f"{RECEIVER}/gone/{version}", subscribed_events=["batch.failed"])
    advance("1m")
    facts["gone"] = {"created": webhook(gone), "pinged": ping(gone.id), "got": webhook(webhooks.get(gone.id))}
    facts["gone"]["enabled"] = webhook(webhooks.update(gone.id, state="enabled"))
    webhooks.delete(gone.id)

    facts["deleted"] = webhooks.delete(id).model_dump(exclude_none=True)
    facts["get_of_deleted"] = error(lambda: webhooks.get(id))
    facts["left"] = [w.id for w in webhooks.list().webhooks]
    return facts


in_both_versions(drive)
