"""Batches, through the SDK."""

from google.genai import types

from common import RECEIVER, content, delivered, error, in_both_versions, moment, polled

OPEN = (types.JobState.JOB_STATE_PENDING, types.JobState.JOB_STATE_RUNNING)


def response(inlined):
    return {
        "text": inlined.response and inlined.response.text,
        "model_version": inlined.response and inlined.response.model_version,
        "finish_reason": inlined.response and inlined.response.candidates[0].finish_reason.value,
        "metadata": inlined.metadata,
        "error": inlined.error,
    }


def batch(j):
    responses = j.dest and j.dest.inlined_responses
    return {
        "name": j.name,
        "display_name": j.display_name,
        "state": j.state.value,
        "model": j.model,
        "create_time": moment(j.create_time),
        "update_time": moment(j.update_time),
        "end_time": moment(j.end_time),
        "file_name": j.dest and j.dest.file_name,
        "responses": responses and [response(r) for r in responses],
    }


def pages(batches, size):
    pager = batches.list(config={"page_size": size})
    found = [[batch(j) for j in pager.page]]
    while True:
        try:
            found.append([batch(j) for j in pager.next_page()])
        except IndexError:  # how the SDK says that there are no more
            return found


def drive(client, version, key):
    batches = client.batches
    uri = f"{RECEIVER}/static/{version}"
    webhook = client.webhooks.create(uri=uri, subscribed_events=["batch.succeeded"])
    facts = {"none": list(batches.list()), "secret": webhook.new_signing_secret}

    def config(what, **more):
        metadata = {"what": what, "n": 1, "snake_case": {"camelCase": [1.5, None]}}
        return {"display_name": what, "webhook_config": {"user_metadata": metadata, **more}}

    def dynamic(what):
        return config(what, uris=[f"{RECEIVER}/dynamic/{version}/{what}"])

    def create(what, src):
        return batches.create(model="gemini-2.5-flash", src=src, config=dynamic(what))

    def to_its_end(j):
        answers = polled(lambda: batches.get(name=j.name), lambda j: j.state in OPEN)
        delivered()
        return {"created": batch(j), "polled": [batch(answer) for answer in answers]}

    inline = [
        types.InlinedRequest(contents="Say hello.", metadata={"key": "r1"}, config={"temperature": 0.1}),
        types.InlinedRequest(contents=[{"role": "user", "parts": [{"text": "Say"}, {"text": "goodbye."}]}]),
    ]
    facts["inline"] = to_its_end(create("inline", inline))
    facts["file"] = to_its_end(create("file", "files/requests-1"))
    # No addresses: it goes to the registered webhook, and what is to be returned still is.
    registered = batches.create(model="gemini-2.5-flash", src="files/requests-2", config=config("registered"))
    facts["registered"] = to_its_end(registered)
    # The results are a file, and so is the object that the event names.
    name = facts["file"]["polled"][-1]["file_name"]
    facts["downloaded"] = client.files.download(file=name).decode()
    described = client.files.get(name=name)
    facts["described"] = [described.name, described.mime_type, described.size_bytes, described.source.value]
    facts["downloaded_again"] = client.files.download(file=described).decode()
    inline_id = facts["inline"]["created"]["name"].removeprefix("batches/")
    facts["object"] = content(f"/emulated-bucket/batch-{inline_id}.jsonl")
    facts["failed"] = to_its_end(create("failed", [types.InlinedRequest(contents="Please [[fail]].")]))
    facts["expired"] = to_its_end(create("expired", [types.InlinedRequest(contents="Please [[expire]].")]))

    cancelled = create("cancelled", "files/requests-3")
    answer = batches.cancel(name=cancelled.name)
    polled_after = [batch(batches.get(name=cancelled.name))]
    facts["cancelled"] = {"created": batch(cancelled), "answer": answer, "polled": polled_after}
    facts["cancelled_again"] = error(lambda: batches.cancel(name=cancelled.name))
    delivered()

    facts["pages"] = pages(batches, 2)
    facts["all"] = [batch(j) for j in batches.list()]
    deleted = batches.delete(name=cancelled.name)
    facts["deleted"] = deleted.model_dump(exclude_none=True, exclude={"sdk_http_response"})
    facts["get_of_deleted"] = error(lambda: batches.get(name=cancelled.name))
    facts["left"] = [j.name for j in batches.list()]
    return facts


in_both_versions(drive)
